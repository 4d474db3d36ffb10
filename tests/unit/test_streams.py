"""Stream declarations, and drift between them and the server."""

from typing import Any

import pytest

from schemas.facts import FACTS
from schemas.streams import HEARTBEATS, SESSIONS, STREAMS, drift, stream_of


def declared(**changes: Any) -> dict[str, Any]:
    return SESSIONS.config(partitions=16, replicas=1) | changes


def test_every_fact_has_exactly_one_stream() -> None:
    for entity, facts in FACTS.items():
        bound = [fact for stream in STREAMS if stream.entity == entity for fact in stream.facts]
        assert sorted(bound) == sorted(facts)
    assert stream_of("session", "heartbeat") is HEARTBEATS
    with pytest.raises(KeyError):
        stream_of("session", "exploded")


def test_no_two_streams_share_a_subject() -> None:
    subjects = [subject for stream in STREAMS for subject in stream.subjects()]
    assert len(subjects) == len(set(subjects))
    assert not any(subject.endswith(".*") for subject in subjects)


def test_what_the_server_adds_is_no_drift() -> None:
    actual = declared(compression="none", placement={}, max_consumers=-1)
    actual["subjects"] = actual["subjects"][::-1]
    actual["max_age"] = None
    assert drift(declared(), actual) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subjects", ["ev.>"]),
        ("max_age", 10**9),
        ("discard", "new"),
        ("allow_atomic", False),
        ("subject_transform", {"src": "ev.>", "dest": "other.>"}),
        ("duplicate_window", 1),
    ],
)
def test_drift_names_the_field(field: str, value: Any) -> None:
    (line,) = drift(declared(), declared(**{field: value}))
    assert line.startswith(f"stream SESSIONS: {field} is ")
