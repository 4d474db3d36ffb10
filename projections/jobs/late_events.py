"""Late events: jobs of which one arrived that changes attempts before it are folded again from their rows."""

from collections.abc import Mapping
from typing import Final

from pydantic_core import from_json

from projections.binary_copy import json_text
from projections.jobs.attempts import moment_of
from projections.jobs.fold import States, count_subjob
from projections.jobs.refold import Refold, StoredHappening
from projections.jobs.rows import JobChanges
from projections.jobs.state import ENTITY, JobState
from projections.projection import StateKey
from runtime.database.connections import Connection
from runtime.process.time_slice import TimeSlice

_FETCH: Final = 2_000


async def fold_again(
    conn: Connection, queries: Mapping[str, bytes], states: States, changes: JobChanges
) -> None:
    """Fold the attempts of the jobs in `changes.late` again, from event rows that are written already."""
    names = ("site", "id", "sub")
    asked = {"keys": json_text([dict(zip(names, ENTITY.full_key(key), strict=True)) for key in changes.late])}
    refolds: dict[StateKey, Refold] = {}
    time_slice = TimeSlice()
    async with conn.cursor(
        name="late_events", binary=True
    ) as cursor:  # a job may have more events than fit into memory
        await cursor.execute(queries["late-events"], asked)
        while rows := await cursor.fetchmany(_FETCH):
            for site, id_, sub, seq, at, kind, status, started_at, ended_at, metrics, metadata in rows:
                key: StateKey = (site, id_, sub) if sub else (site, id_)
                if (refold := refolds.get(key)) is None:
                    refold = refolds[key] = Refold(_state(states, key).copy())
                told = StoredHappening(
                    kind, status, started_at, ended_at, from_json(metrics), from_json(metadata or "{}")
                )
                refold.add(seq, at, moment_of(told, at, told.outcome), told)
            if time_slice.is_over():
                await time_slice.yield_to_others()
    await conn.execute(queries["forget-attempts"], asked)
    for key, refold in sorted(refolds.items(), key=lambda item: len(item[0])):  # a job before its subjobs
        replace_attempts(states, changes, key, refold)


def replace_attempts(states: States, changes: JobChanges, key: StateKey, refold: Refold) -> None:
    """Put what a refold came to in place of what was known of a job or subjob."""
    before, after = _state(states, key), refold.finish()
    states[key] = after
    changes.attempts.pop(key, None)
    for attempt in refold.attempts:
        changes.add_attempt(after.part, key, attempt)
    if len(key) > 2:
        states[key[:2]] = job = _state(states, key[:2]).copy()
        count_subjob(job, before.status, -1)
        count_subjob(job, after.status, 1)
    else:
        changes.count(key[0], before, after)


def _state(states: States, key: StateKey) -> JobState:
    state = states[key]
    if state is None:
        raise LookupError(f"no state of {key}")
    return state
