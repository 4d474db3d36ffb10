"""The jobs projection: its stream, and how what is folded meets PostgreSQL."""

from collections.abc import Mapping
from dataclasses import asdict
from itertools import chain
from typing import Any, cast

from projections.binary_copy import json_text
from projections.jobs.carry_over import COUNTED_AT_ONCE, carry_over, first_sequences_by_site, is_aged
from projections.jobs.fold import FACTS, VERSION, fold
from projections.jobs.hourly_stats import TALLY
from projections.jobs.late_events import fold_again
from projections.jobs.rows import ATTEMPT, EVENT, JobChanges
from projections.jobs.state import ENTITY, JobState
from projections.projection import Key, StateKey
from projections.recorded import Recorded
from projections.state_projection import StateProjection
from runtime.database.connections import Connection
from schemas.jobs.facts import JobFact
from schemas.jobs.streams import JOBS


class JobsProjection(StateProjection[JobState, JobChanges]):
    """Jobs with their subjobs, events and statistics: of a site, or of a centre from every site's copy."""

    name = "jobs"
    package = "projections.jobs"
    version = VERSION
    streams = (JOBS,)
    entity = "job"
    facts = FACTS
    table = ENTITY
    other_tables = (EVENT, ATTEMPT, TALLY)
    aggregates = frozenset({"tally", "bucket", "app_bucket", "app"})

    def needs(self, event: Recorded) -> tuple[StateKey, ...]:
        sub = cast(JobFact, event.body).subjob_id
        return (event.key, (*event.key, sub)) if sub else (event.key,)

    def changes(self) -> JobChanges:
        return JobChanges()

    def fold(self, states: dict[StateKey, JobState | None], event: Recorded, changes: JobChanges) -> None:
        fold(states, event, changes)

    async def write(self, conn: Connection, changes: JobChanges) -> None:
        """Write `event` rows by COPY, and the names of applications."""
        if changes.events:
            await EVENT.add(conn, self.schema, changes.events)
        names = ("part", "site", "app_id", "name")
        await self._write(conn, "write-apps", [dict(zip(names, app, strict=True)) for app in changes.apps])

    async def settle(
        self, conn: Connection, states: dict[StateKey, JobState | None], changes: JobChanges
    ) -> None:
        """Fold attempts again where events were late; then write those that are over, and count."""
        if changes.late:
            await fold_again(conn, self._queries, states, changes)
        if changes.attempts:
            await ATTEMPT.add(conn, self.schema, chain.from_iterable(changes.attempts.values()))
        await self._count(conn, changes)

    async def carry_over(self, conn: Connection, source: str, first_sequences: Mapping[str, int]) -> int:
        by_site = first_sequences_by_site(self.streams, first_sequences)
        keys = await carry_over(conn, source, self.schema, by_site)
        await self.prepare(conn)
        for start in range(0, len(keys), COUNTED_AT_ONCE):
            changes = self.changes()
            jobs = await self.load(conn, keys[start : start + COUNTED_AT_ONCE])
            for (site, _), job in jobs.items():
                changes.count(site, None, job)
            await self._count(conn, changes)
            await self.store(conn, jobs)  # columns that are computed may be new
        return len(keys)

    async def is_aged(self, conn: Connection, key: Key, first_sequences: Mapping[str, int]) -> bool:
        by_site = first_sequences_by_site(self.streams, first_sequences)
        return await is_aged(conn, self.schema, key, by_site)

    async def withdraw(self, conn: Connection, key: Key) -> None:
        found = (await self.load(conn, [key])).get(key)
        if found is not None:
            changes = self.changes()
            changes.withdraw(key[0], found)
            await self._count(conn, changes)

    async def _count(self, conn: Connection, changes: JobChanges) -> None:
        counted = {key: sums for key, sums in changes.stats.items() if not sums.is_nothing}
        await TALLY.add(conn, self.schema, [key._asdict() | asdict(sums) for key, sums in counted.items()])
        buckets = [
            key._asdict() | {"bucket": bucket, "number": number}
            for (key, bucket), number in changes.buckets.items()
            if number
        ]
        await self._write(conn, "write-buckets", buckets)
        # Which rows there are must not depend on batches either: in one, what cancels out leaves none.
        await self._write(conn, "forget-empty", [key._asdict() for key in changes.withdrawn])

    async def _write(self, conn: Connection, query: str, rows: list[dict[str, Any]]) -> None:
        if rows:
            await conn.execute(self._queries[query], {"rows": json_text(rows)}, prepare=True)
