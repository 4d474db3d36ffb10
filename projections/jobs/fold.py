"""The pure fold of job facts: what became of a job, whatever order its events arrive in.

Status and times follow event times, so a late event never undoes a newer one: the newest end of the newest
attempt is the status, and a `started` after an end begins another attempt.
"""

from datetime import datetime
from typing import cast

from projections.jobs.changes import JobChanges
from projections.jobs.entity import Entity
from projections.projection import StateKey
from projections.recorded import Recorded
from schemas.job_facts import JobFact, JobHappening, Status

States = dict[StateKey, Entity | None]


def fold(states: States, event: Recorded, changes: JobChanges) -> None:
    """Apply one event to its job or subjob; one of a subjob tells the job how it stands."""
    body = cast(JobFact, event.body)
    job = states.get(event.key)
    if job is not None and event.sequence <= job.last_seq:
        return  # the job was carried over from an older generation, with this in it
    sub = body.entity.subjob_id
    told = body.event.told()
    if sub:
        before = states.get((*event.key, sub))
        after = _folded(before, event, body, told)
        states[*event.key, sub] = after
        states[event.key] = _told(states.get(event.key), before, after, event, body)
    else:
        before = states.get(event.key)
        states[event.key] = after = _folded(before, event, body, told)
        changes.count(event.key[0], before, after)
    changes.add_event(event, body, told)


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


def _folded(before: Entity | None, event: Recorded, body: JobFact, told: dict[str, float]) -> Entity:
    happened = body.event
    entity = _opened(event, body) if before is None else before.copy()
    if happened.kind == "started":
        _start(entity, happened.started_at or event.at)
    elif happened.outcome is not None:
        if happened.started_at is not None:
            _start(entity, happened.started_at)
        _end(entity, happened.outcome, happened.ended_at or event.at)
    elif happened.started_at is not None:
        _start(entity, happened.started_at)
    entity.errors += happened.kind == "error"
    _describe(entity, event, body, told)
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


def _describe(entity: Entity, event: Recorded, body: JobFact, told: dict[str, float]) -> None:
    """Names, metrics and metadata: what is newer replaces, what is late fills in."""
    happened, late = body.event, event.at < entity.last_event_at
    if not late:
        entity.app_id, entity.app_name, entity.app_version = body.app.app_id, body.app.name, body.app.version
    key = body.entity.sub_key if body.entity.type == "subjob" else body.entity.business_key
    if key is not None and (entity.key is None or not late):
        entity.key = key
    if told and not _is_of_an_earlier_attempt(entity, happened, event.at):
        entity.metrics = told | entity.metrics if late else entity.metrics | told
    if happened.metadata:
        metadata = happened.metadata
        entity.metadata = metadata | entity.metadata if late else entity.metadata | metadata


def _is_of_an_earlier_attempt(entity: Entity, happened: JobHappening, at: datetime) -> bool:
    before = entity.previous_ended_at
    return before is not None and (happened.ended_at or at) <= before
