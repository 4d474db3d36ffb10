"""The fold of job facts against a reference that sees all events at once, in any order of arrival."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from line.raw_event import RawEvent
from projections.jobs.fold import States
from projections.jobs.hourly_stats import HourlyStats
from projections.jobs.projection import JobsProjection
from projections.jobs.state import JobState
from projections.recorded import decode
from schemas.subjects import home_of, slot_of
from tests.reference.jobs import Happened, outcome, standing, subjobs_by_status
from tests.support.settings import PARTITIONS

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
JOB = "nightly / 42"  # no token

statuses = {
    "started": st.sampled_from([None, "running"]),
    "progress": st.sampled_from([None, "running"]),
    "metric": st.none(),
    "finished": st.sampled_from([None, "succeeded", "failed", "canceled"]),
    "error": st.sampled_from([None, "running", "failed"]),
    "canceled": st.sampled_from([None, "canceled"]),
}


@st.composite
def happened(draw: st.DrawFn) -> Happened:
    kind = draw(st.sampled_from(sorted(statuses)))
    minutes = draw(st.integers(0, 300))
    return Happened(NOON + timedelta(minutes=minutes), kind, draw(statuses[kind]))


histories = st.lists(st.tuples(st.sampled_from(["", "a", "b"]), happened()), min_size=1, max_size=25)


def body(sub: str, event: Happened, **more: Any) -> dict[str, Any]:
    entity = {"type": "subjob", "id": sub, "parent_id": JOB} if sub else {"type": "job", "id": JOB}
    return {
        "site_id": "fab1",
        "app": {"app_id": "A", "name": "app", "version": "1"},
        "entity": entity,
        "event": {"kind": event.kind, "at": event.at.isoformat(), "status": event.status, **more},
    }


def raw(sequence: int, kind: str, said: Any) -> RawEvent:
    part = home_of(JOB, PARTITIONS)
    subject = f"ev.{part}.fab1.job.{slot_of(JOB)}.{kind}"
    stored_at = NOON + timedelta(days=1, seconds=sequence)
    return RawEvent("JOBS", part, sequence, stored_at, subject, b"", json.dumps(said).encode())


def folded(
    history: Sequence[tuple[str, Happened]], sizes: Sequence[int] = (1,)
) -> tuple[dict[Any, JobState], dict[Any, Any], dict[Any, int]]:
    """States and statistics after the events, in batches of these sizes in turn."""
    projection = JobsProjection()
    states: States = {}
    stats: dict[Any, list[int]] = {}
    buckets: dict[Any, int] = {}
    changes, left, turn = projection.changes(), sizes[0], 0

    def commit() -> None:
        for cell, one in changes.stats.items():
            stats[cell] = merged(stats.get(cell), one)
        for place, number in changes.buckets.items():
            buckets[place] = buckets.get(place, 0) + number

    for sequence, (sub, event) in enumerate(history, 1):
        projection.fold(states, decode(raw(sequence, event.kind, body(sub, event))), changes)
        left -= 1
        if not left:
            commit()
            turn += 1
            changes, left = projection.changes(), sizes[turn % len(sizes)]
    commit()
    return {key: state for key, state in states.items() if state}, stats, buckets


def merged(before: list[int] | None, one: HourlyStats) -> list[int]:
    sums = [
        one.succeeded,
        one.failed,
        one.canceled,
        one.durations,
        one.duration_us,
        one.cpu_us,
        one.memories,
        one.mem_kib,
    ]
    return [had + new for had, new in zip(before or [0] * len(sums), sums, strict=True)]


def of(history: Sequence[tuple[str, Happened]], sub: str) -> list[Happened]:
    return [event for name, event in history if name == sub]


@given(histories)
def test_status_and_end_do_not_depend_on_the_order_of_arrival(history: list[tuple[str, Happened]]) -> None:
    states, _, _ = folded(history)
    for sub in {name for name, _ in history}:
        state = states["fab1", JOB, sub] if sub else states["fab1", JOB]
        expected = standing(of(history, sub))
        ends = [event.at for event in of(history, sub) if outcome(event)]
        if len(set(ends)) == len(ends):  # of two ends at one instant the first to arrive counts
            assert state.status == expected["status"]
        assert state.ended_at == expected["ended_at"]
        assert state.last_event_at >= max(event.at for event in of(history, sub))


@given(histories)
def test_a_job_counts_its_subjobs(history: list[tuple[str, Happened]]) -> None:
    states, _, _ = folded(history)
    job = states["fab1", JOB]
    subs = {name: of(history, name) for name, _ in history if name}
    standings = {name: states["fab1", JOB, name].status for name in subs}
    counted = {status: getattr(job, status) for status in ("running", "succeeded", "failed", "canceled")}
    assert counted == {status: list(standings.values()).count(status) for status in counted}
    ends = [event.at for events in subs.values() for event in events if outcome(event)]
    if len(set(ends)) == len(ends):
        assert counted == subjobs_by_status(subs)


@given(histories, st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_statistics_do_not_depend_on_batches(history: list[tuple[str, Happened]], sizes: list[int]) -> None:
    assert folded(history, sizes) == folded(history)


@given(histories)
def test_every_ended_job_counts_once(history: list[tuple[str, Happened]]) -> None:
    states, stats, buckets = folded(history)
    ended = (state := states["fab1", JOB]).ended_at is not None
    assert sum(sum(cell[:3]) for cell in stats.values()) == ended
    assert sum(buckets.values()) == (ended and state.duration_s is not None)


@given(histories)
def test_attempts_in_the_order_of_time_are_starts_after_ends(history: list[tuple[str, Happened]]) -> None:
    events = sorted(of(history, ""), key=lambda event: event.at)
    if len({event.at for event in events}) < len(events) or not events:
        return
    attempts, over = 1, False
    for event in events:
        if event.kind == "started" and over:
            attempts, over = attempts + 1, False
        over = over or outcome(event) is not None
    states, _, _ = folded([("", event) for event in events])
    assert states["fab1", JOB].attempts == attempts
