"""The parts of the session daemon: state filter, totals, ids, and processes told apart."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from producers.sidecar.daemon.counters import Increment
from producers.sidecar.daemon.histograms import BUCKETS, Histogram, Observation
from producers.sidecar.daemon.ids import SessionIds
from producers.sidecar.daemon.parents import birth_of, lives
from producers.sidecar.daemon.sent import Sent
from projections.sessions.merge_patch import merge_patch
from schemas.subjects import is_token
from schemas.validation import InvalidFact
from tests.support.waiting import wait_until_sync

PATCHES = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.none() | st.booleans() | st.integers(0, 2) | st.just(1.0),
        lambda inner: st.dictionaries(st.sampled_from("xy"), inner, max_size=2) | st.lists(inner, max_size=2),
        max_leaves=4,
    ),
)


@given(st.lists(PATCHES, max_size=8))
def test_what_the_filter_drops_changes_nothing(patches: list[dict[str, object]]) -> None:
    sent = Sent({})
    whole: dict[str, object] = {}
    filtered: dict[str, object] = {}
    for patch in patches:
        news = sent.news(patch)
        sent.note(news)
        whole, filtered = merge_patch(whole, patch), merge_patch(filtered, news)
        assert filtered == whole
        assert sent.news(patch) == {}


def test_a_filter_that_grew_too_large_begins_anew() -> None:
    sent = Sent({})
    sent.note({"small": 1})
    sent.note({"large": "x" * (1 << 20)})
    assert sent.news({"small": 1}) == {"small": 1}
    assert sent.values() == {}


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


@given(st.lists(st.floats(-10, 100), min_size=1, max_size=30))
def test_histograms_count_every_value_once(values: list[float]) -> None:
    histogram: Histogram | None = None
    for value in values:
        histogram = Observation(name="n", value=value).added_to(histogram)
    assert histogram is not None
    metric = histogram.metric()
    counts = {bucket["le"]: bucket["count"] for bucket in metric["metadata"]["buckets"]}
    assert tuple(counts) == BUCKETS
    assert sum(counts.values()) == metric["metadata"]["count"] == len(values)
    assert counts[1.0] == sum(0.5 < value <= 1.0 for value in values)
    assert counts[60.0] == sum(value > 30 for value in values)
    assert metric["value"] == pytest.approx(sum(values) / len(values))


def test_buckets_may_be_named_beside_the_value_or_in_the_metadata() -> None:
    beside = Observation.model_validate({"name": "n", "value": 1, "buckets": [5, 1, 5], "metadata": {"a": 1}})
    within = Observation.model_validate({"name": "n", "value": 1, "metadata": {"a": 1, "buckets": [1, 5]}})
    assert beside == within
    assert beside.key() == within.key() != Observation(name="n", value=1).key()
    with pytest.raises(ValidationError):
        Observation.model_validate({"name": "n", "value": 1, "buckets": []})


def test_a_total_without_bounds_is_refused() -> None:
    much = Increment(name="n", delta=1e308)
    with pytest.raises(InvalidFact, match="too large for a double"):
        much.added_to(much.added_to(None))
    with pytest.raises(InvalidFact, match="at most 16384 bytes"):
        Increment(name="n", delta=1, tags=["x" * (16 << 10)]).added_to(None)


def test_ids_are_tokens_and_differ() -> None:
    one, other = SessionIds(), SessionIds()
    ids = [ids.new(connected=connected) for ids in (one, other) for connected in (True, False, False)]
    assert len(set(ids)) == len(ids)
    assert all(map(is_token, ids))


def test_a_process_lives_until_it_ends_even_before_it_is_reaped() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    birth = birth_of(child.pid)
    assert birth
    assert lives(child.pid, birth)
    assert not lives(child.pid, birth + "0"), "another process of the same number"
    child.kill()
    wait_until_sync(lambda: not lives(child.pid, birth))
    child.communicate()
    assert birth_of(child.pid) is None
    assert not lives(os.getpid(), None), "it was gone when it was registered"
