"""The pure fold of job facts: what became of a job, whatever order its events arrive in.

Status and times follow event times, so a late event never undoes a newer one: the newest end of the newest
attempt is the status, and a `started` after an end begins another attempt.
"""

from datetime import datetime
from typing import cast

from projections.jobs.rows import JobChanges
from projections.jobs.state import Entity
from projections.projection import StateKey
from projections.recorded import Recorded
from schemas.jobs.facts import JobFact, Status

States = dict[StateKey, Entity | None]


def fold(states: States, event: Recorded, changes: JobChanges) -> None:
    """Apply one event to its job or subjob; one of a subjob tells the job how it stands."""
    body = cast(JobFact, event.body)
    job = states.get(event.key)
    if job is not None and event.sequence <= job.last_seq:
        return  # the job was carried over from an older generation, with this in it
    if sub := body.subjob_id:
        before = states.get((*event.key, sub))
        after = _folded(before, event, body)
        states[*event.key, sub] = after
        states[event.key] = _told(states.get(event.key), before, after, event, body)
    else:
        before = states.get(event.key)
        states[event.key] = after = _folded(before, event, body)
        changes.count(event.key[0], before, after)
    changes.add_event(event, body)


def _told(job: Entity | None, before: Entity | None, after: Entity, event: Recorded, body: JobFact) -> Entity:
    """The job when one of its subjobs has changed."""
    job = _opened(event, body) if job is None else job.copy()
    if before is not None:
        _add(job, before.status, -1)
    _add(job, after.status, 1)
    job.last_seq = event.sequence
    job.last_event_at = max(job.last_event_at, event.at)
    return job


def _add(job: Entity, status: Status, number: int) -> None:
    setattr(job, status, getattr(job, status) + number)


def _opened(event: Recorded, body: JobFact) -> Entity:
    return Entity.opened(event.partition, event.sequence, event.stored_at, event.at, body)


def _folded(before: Entity | None, event: Recorded, body: JobFact) -> Entity:
    entity = _opened(event, body) if before is None else before.copy()
    if body.kind == "started":
        _start(entity, body.started_at or event.at)
    else:
        if body.started_at is not None:
            _start(entity, body.started_at)
        if (outcome := body.outcome) is not None:
            _end(entity, outcome, body.ended_at or event.at)
    entity.errors += body.kind == "error"
    _describe(entity, event, body)
    entity.last_seq = event.sequence
    entity.inserted_at = event.stored_at
    entity.last_event_at = max(entity.last_event_at, event.at)
    return entity


def _start(entity: Entity, at: datetime) -> None:
    if entity.ended_at is not None and at > entity.ended_at:
        entity.previous_ended_at = entity.ended_at
        entity.ended_at = None
        entity.status = "running"
        entity.started_at = at
        entity.attempts += 1
        entity.metrics = {}
    elif entity.previous_ended_at is None or at > entity.previous_ended_at:
        entity.started_at = at if entity.started_at is None else min(entity.started_at, at)
    entity.last_started_at = at if entity.last_started_at is None else max(entity.last_started_at, at)


def _end(entity: Entity, outcome: Status, at: datetime) -> None:
    if entity.last_started_at is not None and at < entity.last_started_at:
        _end_of_an_earlier_attempt(entity, at)
    elif entity.ended_at is None or at > entity.ended_at:
        entity.ended_at, entity.status = at, outcome


def _end_of_an_earlier_attempt(entity: Entity, at: datetime) -> None:
    if entity.previous_ended_at is not None and at <= entity.previous_ended_at:
        return
    entity.previous_ended_at = at
    if entity.started_at is not None and entity.started_at <= at:
        # What looked like one attempt was two.
        entity.started_at = entity.last_started_at
        entity.attempts += 1


def _describe(entity: Entity, event: Recorded, body: JobFact) -> None:
    """Names, metrics and metadata: what is newer replaces, what is late fills in."""
    late = event.at < entity.last_event_at
    if not late:
        entity.app_id, entity.app_name, entity.app_version = body.app_id, body.app_name, body.app_version
    if body.entity_key is not None and (entity.key is None or not late):
        entity.key = body.entity_key
    if body.metrics and not _is_of_an_earlier_attempt(entity, body, event.at):
        entity.metrics = body.metrics | entity.metrics if late else entity.metrics | body.metrics
    if body.metadata:
        entity.metadata = body.metadata | entity.metadata if late else entity.metadata | body.metadata


def _is_of_an_earlier_attempt(entity: Entity, body: JobFact, at: datetime) -> bool:
    before = entity.previous_ended_at
    return before is not None and (body.ended_at or at) <= before
