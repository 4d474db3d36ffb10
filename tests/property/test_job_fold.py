"""The fold of job facts against a reference that sees all events at once, in any order of arrival."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from line.raw_event import RawEvent
from projections.jobs.attempts import moment_of
from projections.jobs.fold import States
from projections.jobs.hourly_stats import HourlyStats
from projections.jobs.late_events import replace_attempts
from projections.jobs.projection import JobsProjection
from projections.jobs.refold import Refold
from projections.jobs.rows import JobChanges
from projections.jobs.state import JobState
from projections.projection import StateKey
from projections.recorded import Recorded, decode
from schemas.jobs.facts import JobFact
from schemas.subjects import home_of, slot_of
from tests.reference.jobs import Happened, counted, job, subjobs_by_status
from tests.support.job_histories import NOON, histories, job_body, placed, told_of
from tests.support.settings import PARTITIONS

JOB = "nightly / 42"  # no token
History = Sequence[tuple[str, Happened]]
batches = st.lists(st.integers(1, 7), min_size=1, max_size=5)


class Model:
    """The read model in memory: states, attempts that are over, statistics."""

    def __init__(self) -> None:
        self.states: States = {}
        self.attempts: dict[StateKey, dict[Any, tuple[Any, ...]]] = {}
        self.stats: dict[Any, list[int]] = {}
        self.buckets: dict[Any, int] = {}
        self._events: dict[StateKey, list[Recorded]] = {}

    def fold(self, history: History, sizes: Sequence[int]) -> "Model":
        """Fold a history in batches of these sizes in turn."""
        projection = JobsProjection()
        rest, turn = list(history), 0
        while rest:
            size = sizes[turn % len(sizes)]
            batch, rest, turn = rest[:size], rest[size:], turn + 1
            changes = projection.changes()
            for sub, event in batch:
                recorded = decode(_raw(sub, event))
                self._events.setdefault((*recorded.key, sub) if sub else recorded.key, []).append(recorded)
                projection.fold(self.states, recorded, changes)
            self._settle(changes)
        return self

    def _settle(self, changes: JobChanges) -> None:
        for key in sorted(changes.late, key=len):
            steps = [
                (moment_of(_told(event), event.at, _told(event).outcome), event.sequence, event)
                for event in self._events[key]
            ]
            refold = Refold(self.state(*key[2:]).copy())
            for moment, sequence, event in sorted(steps, key=lambda step: step[:2]):
                refold.add(sequence, event.at, moment, _told(event))
            replace_attempts(self.states, changes, key, refold)
            self.attempts.pop(key, None)
        for key, rows in changes.attempts.items():
            self.attempts.setdefault(key, {}).update({row[4]: row for row in rows})
        for cell, sums in changes.stats.items():
            self.stats[cell] = _merged(self.stats.get(cell), sums)
        for place, number in changes.buckets.items():
            self.buckets[place] = self.buckets.get(place, 0) + number
        self.stats = {cell: sums for cell, sums in self.stats.items() if any(sums)}
        self.buckets = {place: number for place, number in self.buckets.items() if number}

    def state(self, sub: str = "") -> JobState:
        """Return the state of the job or of one of its subjobs."""
        state = self.states["fab1", JOB, sub] if sub else self.states["fab1", JOB]
        assert state is not None
        return state

    def shown(self, sub: str = "") -> dict[str, Any]:
        """Return what the API shows of it."""
        state = self.state(sub)
        names = (
            "status",
            "started_at",
            "ended_at",
            "duration_s",
            "metrics",
            "metadata",
            "attempts",
            "errors",
        )
        key = ("fab1", JOB, sub) if sub else ("fab1", JOB)
        rows = sorted(
            self.attempts.get(key, {}).values(), key=lambda row: (row[5] is not None, row[5], row[4])
        )
        listed = [_shown(row[6:10], json.loads(row[10]), json.loads(row[11])) for row in rows]
        outcome = "lost" if state.is_lost else state.status
        newest = (state.started_at, state.ended_at, outcome, state.duration_s)
        own = {name: state.metadata[name] for name in ("error", "error_type") if name in state.metadata}
        listed.append(_shown(newest, own, state.metrics))
        attempts = [{"number": number} | attempt for number, attempt in enumerate(listed, 1)]
        return {name: getattr(state, name) for name in names} | {"attempt_list": attempts}


def _shown(times: Sequence[Any], error: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
    names = ("started_at", "ended_at", "outcome", "duration_s")
    told = {"error": error.get("error"), "error_type": error.get("error_type"), "metrics": metrics}
    return dict(zip(names, times, strict=False)) | told


def _told(event: Recorded) -> JobFact:
    assert isinstance(event.body, JobFact)
    return event.body


def _raw(sub: str, event: Happened) -> RawEvent:
    part = home_of(JOB, PARTITIONS)
    subject = f"ev.{part}.fab1.job.{slot_of(JOB)}.{event.kind}"
    stored_at = NOON + timedelta(days=1, seconds=event.position)
    said = json.dumps(job_body(JOB, sub, event)).encode()
    return RawEvent("JOBS", part, event.position, stored_at, subject, b"", said)


def _merged(before: list[int] | None, sums: HourlyStats) -> list[int]:
    values = [getattr(sums, name) for name in sums.__dataclass_fields__]
    return [had + new for had, new in zip(before or [0] * len(values), values, strict=True)]


@settings(max_examples=500)
@given(histories(), batches)
def test_a_job_is_the_fold_of_its_events_in_the_order_of_time_and_line(
    history: History, sizes: list[int]
) -> None:
    model = Model().fold(history, sizes)
    for sub in {name for name, _ in history}:
        assert model.shown(sub) == job(told_of(history, sub))


@given(histories(), batches, batches)
def test_nothing_depends_on_batches(history: History, sizes: list[int], others: list[int]) -> None:
    one, other = Model().fold(history, sizes), Model().fold(history, others)
    for name in ("states", "attempts", "stats", "buckets"):
        assert getattr(one, name) == getattr(other, name)


@given(histories(), st.randoms(use_true_random=False))
def test_without_ties_and_moved_ends_nothing_depends_on_the_order_of_arrival(
    history: History, random: Any
) -> None:
    times = [event.at for _, event in history]
    shuffled = list(history)
    random.shuffle(shuffled)
    shuffled = placed(shuffled)
    expected = {sub: job(told_of(history, sub)) for sub, _ in history}
    if len(set(times)) < len(times) or any(
        job(told_of(shuffled, sub)) != expected[sub] for sub in expected
    ):  # the reference says that the line decides here
        return
    model = Model().fold(shuffled, [1])
    assert {sub: model.shown(sub) for sub in expected} == expected


@given(histories(), batches)
def test_a_job_counts_its_subjobs(history: History, sizes: list[int]) -> None:
    state = Model().fold(history, sizes).state()
    subs = {name: told_of(history, name) for name, _ in history if name}
    shown = {status: getattr(state, status) for status in ("running", "succeeded", "failed", "canceled")}
    assert shown == subjobs_by_status(subs)


@given(histories(), batches)
def test_statistics_count_a_job_once_by_its_newest_attempt_that_ended(
    history: History, sizes: list[int]
) -> None:
    model = Model().fold(history, sizes)
    told = told_of(history)
    expected = counted(told) if told else None
    if expected is None:
        assert (model.stats, model.buckets) == ({}, {})
        return
    ((cell, sums),) = model.stats.items()
    shown = dict(zip(HourlyStats.__dataclass_fields__, sums, strict=True))
    assert cell.hour == expected["hour"]
    assert [name for name in ("succeeded", "failed", "canceled") if shown[name]] == [expected["status"]]
    assert (shown["attempts"], shown["failed_attempts"], shown["lost"]) == (
        expected["attempts"],
        expected["failed_attempts"],
        expected["lost_attempts"],
    )
    duration = expected["duration_s"]
    assert shown["duration_us"] == round((duration or 0) * 1_000_000)
    assert sum(model.buckets.values()) == shown["durations"] == (duration is not None)
