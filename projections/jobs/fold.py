"""The pure fold of job facts: the state of a job does not depend on the order in which its events arrive.

Status and times follow event times, so a late event never undoes a newer one: the newest end of the newest
attempt is the status, and a `started` after an end begins another attempt.
"""

from datetime import datetime
from typing import Final, cast

from projections.jobs.rows import JobChanges
from projections.jobs.state import JobState
from projections.projection import StateKey
from projections.recorded import Recorded
from schemas.jobs.facts import JobFact, Status

VERSION: Final = 3
"""Raised with every change that makes the same line give other rows."""
FACTS: Final = frozenset({"started", "progress", "metric", "finished", "error", "canceled"})
"""The facts that are folded."""

States = dict[StateKey, JobState | None]


def fold(states: States, event: Recorded, changes: JobChanges) -> None:
    """Apply one event to its job or subjob; an event of a subjob changes the counts of its job as well."""
    body = cast(JobFact, event.body)
    job = states.get(event.key)
    if job is not None and event.sequence <= job.last_seq:
        return  # the job was carried over from an older generation, with this event in it
    if sub := body.subjob_id:
        before = states.get((*event.key, sub))
        after = _folded(before, event, body)
        states[*event.key, sub] = after
        states[event.key] = _with_subjob(states.get(event.key), before, after, event, body)
    else:
        before = states.get(event.key)
        states[event.key] = after = _folded(before, event, body)
        changes.count(event.key[0], before, after)
    if before is not None and (before.app_name != after.app_name or before.app_id != after.app_id):
        changes.leave_app(event.key[0], before)
    changes.add_event(event, body)


def _with_subjob(
    job: JobState | None, before: JobState | None, after: JobState, event: Recorded, body: JobFact
) -> JobState:
    """Return the job after one of its subjobs has changed."""
    job = _opened(event, body) if job is None else job.copy()
    if before is not None:
        _add(job, before.status, -1)
    _add(job, after.status, 1)
    job.last_seq = event.sequence
    job.last_event_at = max(job.last_event_at, event.at)
    return job


def _add(job: JobState, status: Status, number: int) -> None:
    setattr(job, status, getattr(job, status) + number)


def _opened(event: Recorded, body: JobFact) -> JobState:
    return JobState.opened(event.partition, event.sequence, event.stored_at, event.at, body)


def _folded(before: JobState | None, event: Recorded, body: JobFact) -> JobState:
    state = _opened(event, body) if before is None else before.copy()
    if body.kind == "started":
        _start(state, body.started_at or event.at)
    else:
        if body.started_at is not None:
            _start(state, body.started_at)
        if (outcome := body.outcome) is not None:
            _end(state, outcome, body.ended_at or event.at)
    state.errors += body.kind == "error"
    _describe(state, event, body)
    state.last_seq = event.sequence
    state.inserted_at, state.inserted_seq = event.stored_at, event.sequence
    state.last_event_at = max(state.last_event_at, event.at)
    return state


def _start(state: JobState, at: datetime) -> None:
    if state.ended_at is not None and at > state.ended_at:
        state.previous_ended_at = state.ended_at
        state.ended_at = None
        state.status = "running"
        state.started_at = at
        state.attempts += 1
        state.metrics = {}
    elif state.previous_ended_at is None or at > state.previous_ended_at:
        state.started_at = at if state.started_at is None else min(state.started_at, at)
    state.last_started_at = at if state.last_started_at is None else max(state.last_started_at, at)


def _end(state: JobState, outcome: Status, at: datetime) -> None:
    if state.last_started_at is not None and at < state.last_started_at:
        _end_of_an_earlier_attempt(state, at)
    elif state.ended_at is None or at > state.ended_at:
        state.ended_at, state.status = at, outcome


def _end_of_an_earlier_attempt(state: JobState, at: datetime) -> None:
    if state.previous_ended_at is not None and at <= state.previous_ended_at:
        return
    state.previous_ended_at = at
    if state.started_at is not None and state.started_at <= at:
        # What looked like one attempt was two.
        state.started_at = state.last_started_at
        state.attempts += 1


def _describe(state: JobState, event: Recorded, body: JobFact) -> None:
    """Set names, metrics and metadata: a newer event replaces, a late one fills in."""
    late = event.at < state.last_event_at
    if not late:
        state.app_id, state.app_name, state.app_version = body.app_id, body.app_name, body.app_version
    if body.entity_key is not None and (state.key is None or not late):
        state.key = body.entity_key
    if body.metrics and not _is_of_an_earlier_attempt(state, body, event.at):
        state.metrics = body.metrics | state.metrics if late else state.metrics | body.metrics
    if body.metadata:
        state.metadata = body.metadata | state.metadata if late else state.metadata | body.metadata


def _is_of_an_earlier_attempt(state: JobState, body: JobFact, at: datetime) -> bool:
    before = state.previous_ended_at
    return before is not None and (body.ended_at or at) <= before
