"""Counters of the daemon: increments and totals."""

import pytest

from producers.sidecar.daemon.counters import Increment
from producers.sidecar.daemon.watched_session import AGGREGATE
from schemas.validation import InvalidFact


def test_counters_add_up_whatever_the_order_of_their_tags() -> None:
    first = Increment(name="n", delta=1, tags={"a": 1, "b": [2]})
    second = Increment(name="n", delta=0.5, tags={"b": [2], "a": 1}, unit="1")
    assert first.key() == second.key() != Increment(name="n", delta=1, tags={"a": 1}).key()
    assert second.added_to(first.added_to(None)).metric() == {
        "name": "n",
        "type": "counter",
        "value": 1.5,
        "unit": "1",
        "tags": {"a": 1, "b": [2]},
    }


def test_a_total_of_integers_is_an_integer() -> None:
    large = 2**53 + 1
    counter = Increment(name="n", delta=large).added_to(Increment(name="n", delta=large).added_to(None))
    assert (counter.value, type(counter.value)) == (2 * large, int)
    assert AGGREGATE.validate_json(counter.model_dump_json()) == counter


def test_a_total_without_bounds_is_refused() -> None:
    for delta in (1e308, 10**308):
        much = Increment(name="n", delta=delta)
        with pytest.raises(InvalidFact, match="too large for a double"):
            much.added_to(much.added_to(None))
    with pytest.raises(InvalidFact, match="at most 16384 bytes"):
        Increment(name="n", delta=1, tags=["x" * (16 << 10)]).added_to(None)
