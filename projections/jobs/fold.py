"""The pure fold of job facts: a job is the fold of its events in the order (event time, position).

Whatever order they arrive in, the state is the one that this order gives. Of what is told by name the newest
counts; attempts follow `attempts`.
"""

from typing import Final, cast

from projections.jobs.attempts import advance
from projections.jobs.newest import merge_newest, microseconds, of_job
from projections.jobs.room import take_room
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
    """Apply one event to its job or subjob; an event of a subjob changes the counts of its job as well.

    Where `changes.late` has the job afterwards, its attempts have to be folded again. Raises InvalidFact.
    """
    body = cast(JobFact, event.body)
    job = states.get(event.key)
    if job is not None and event.sequence <= job.last_seq:
        return  # the job was carried over from an older generation, with this event in it
    sub = body.subjob_id
    key = (*event.key, sub) if sub else event.key
    before = states.get(key) if sub else job
    states[key] = after = _folded(key, before, event, body, changes)
    if sub:
        states[event.key] = _with_subjob(job, before, after, event, body)
    else:
        changes.count(event.key[0], before, after)
    changes.add_event(event, body)


def _with_subjob(
    job: JobState | None, before: JobState | None, after: JobState, event: Recorded, body: JobFact
) -> JobState:
    """Return the job after one of its subjobs has changed."""
    job = _opened(event, body) if job is None else job.copy()
    if before is not None:
        count_subjob(job, before.status, -1)
    count_subjob(job, after.status, 1)
    if job.newest_at is None and event.at >= job.last_event_at:
        _name(job, body)
    job.last_seq = event.sequence
    job.last_event_at = max(job.last_event_at, event.at)
    return job


def count_subjob(job: JobState, status: Status, number: int) -> None:
    """Add to the number of subjobs that have a status."""
    setattr(job, status, getattr(job, status) + number)


def _opened(event: Recorded, body: JobFact) -> JobState:
    return JobState.opened(event.partition, event.sequence, event.stored_at, event.at, body)


def _name(state: JobState, body: JobFact) -> None:
    state.app_id, state.app_name, state.app_version = body.app_id, body.app_name, body.app_version


def _folded(
    key: StateKey, before: JobState | None, event: Recorded, body: JobFact, changes: JobChanges
) -> JobState:
    state = _opened(event, body) if before is None else before.copy()
    if body.metrics or body.metadata:
        state.large = take_room(state, body)
    _describe(state, event, body)
    if key not in changes.late:
        is_applied, attempt = advance(state, event.sequence, event.at, body)
        if not is_applied:
            changes.late.add(key)
        elif attempt is not None:
            changes.add_attempt(state.part, key, attempt)
    state.errors += body.kind == "error"
    state.last_seq = event.sequence
    state.inserted_at, state.inserted_seq = event.stored_at, event.sequence
    state.newest_at = event.at if state.newest_at is None else max(state.newest_at, event.at)
    state.last_event_at = max(state.last_event_at, event.at)
    return state


def _describe(state: JobState, event: Recorded, body: JobFact) -> None:
    """Set what is told of the job as a whole: of each name the newest counts."""
    if state.newest_at is None or event.at >= state.newest_at:
        _name(state, body)
    if body.entity_key is not None and (state.key_at is None or event.at >= state.key_at):
        state.key, state.key_at = body.entity_key, event.at
    if body.metadata and (told := of_job(body.metadata)):
        state.metadata, state.metadata_times = merge_newest(
            state.metadata, state.metadata_times, told, microseconds(event.at)
        )
