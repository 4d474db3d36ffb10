"""A durable is compared with the server's, field by field; a newer program's stays as it is."""

from typing import Any

import pytest

from line.durables import Durable

ONE = Durable("SESSIONS", "expiry", ("ev.*.*.session.*.expired",), 30.0, 2)
TWO = Durable("JOBS", "ends", ("ev.*.*.job.*.finished", "ev.*.*.job.*.error"), 1.5, 1)


@pytest.mark.parametrize("durable", [ONE, TWO])
def test_as_it_is_made_it_does_not_differ(durable: Durable) -> None:
    # The server adds what was not asked for.
    assert durable.drift(durable.config() | {"deliver_policy": "by_start_sequence", "opt_start_seq": 8}) == []


def test_the_order_of_filters_is_no_difference() -> None:
    assert TWO.drift(TWO.config() | {"filter_subjects": list(reversed(TWO.filters))}) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"ack_wait": 1}, "ack_wait is 1, declared 30000000000"),
        ({"ack_policy": "none"}, "ack_policy is 'none', declared 'explicit'"),
        ({"max_deliver": 5}, "max_deliver is 5, declared -1"),
        ({"filter_subject": "ev.>"}, "filters is {'ev.>'}, declared {'ev.*.*.session.*.expired'}"),
        ({"filter_subject": None}, "filters is set(), declared {'ev.*.*.session.*.expired'}"),
        ({"deliver_subject": "somewhere"}, "deliver_subject is 'somewhere', declared None"),
        ({"metadata": {"foldline-version": "1"}}, "version is 1, declared 2"),
        ({"deliver_policy": "last"}, "deliver_policy is 'last', declared 'all'"),
        ({"metadata": {}}, "version is 0, declared 2"),
    ],
)
def test_a_difference_names_the_field(changed: dict[str, Any], says: str) -> None:
    assert ONE.drift(ONE.config() | changed) == [f"consumer expiry: {says}"]


def test_that_of_a_newer_program_does_not_count() -> None:
    newer = ONE.config() | {"ack_wait": 1, "metadata": {"foldline-version": "3", "_nats.level": "1"}}
    assert ONE.drift(newer) == []
