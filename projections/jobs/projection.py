"""The jobs projection: its stream, and how rollups and rows meet PostgreSQL."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from operator import attrgetter
from typing import Any, Final, cast

from pydantic_core import from_json

from projections.bulk_upsert import BulkUpsert, copy_rows, json_text
from projections.jobs.carry_over import COUNTED_AT_ONCE, carry_over, first_sequences_by_site, is_aged
from projections.jobs.fold import fold
from projections.jobs.rows import JobChanges
from projections.jobs.state import JobState
from projections.projection import Key, Projection, StateKey
from projections.recorded import Recorded
from runtime.database.connections import Connection
from runtime.database.queries import load_queries
from runtime.process.time_slice import TimeSlice
from schemas.jobs.facts import JobFact
from schemas.streams import JOBS, Stream

_NAMES: Final = JobState.__struct_fields__
_columns = attrgetter(*_NAMES)
_METRICS: Final = _NAMES.index("metrics")
_METADATA: Final = _NAMES.index("metadata")
_FETCH: Final = 500

# Type names of the COPY columns, see projections.sessions.projection.
_STATE: Final = [
    *("text", "text", "text", "int2", "int8", "int8", "timestamptz", "timestamptz", "text", "text", "text"),
    *("text", "text", "int4", "timestamptz", "timestamptz", "timestamptz", "timestamptz", "int8", "text"),
    *("text", "int8", "int8", "int8", "int8", "float8"),
]
_EVENT: Final = [
    *("int2", "text", "text", "text", "int8", "timestamptz", "text", "text", "text", "text"),
]


class JobsProjection(Projection[JobState, JobChanges]):
    """Jobs with their subjobs, events and statistics: of a site, or of a centre from every site's copy."""

    name = "jobs"
    package = "projections.jobs"
    version = 2
    entity = "job"
    aggregates = frozenset({"tally", "bucket", "app_bucket", "app"})

    def __init__(self, schema: str | None = None, streams: tuple[Stream, ...] = (JOBS,)) -> None:
        super().__init__(schema)
        self.streams = streams
        self._queries = load_queries(self.package, "write.sql", schema=self.schema)
        self._upsert = BulkUpsert(self._queries, _STATE)

    async def prepare(self, conn: Connection) -> None:
        await self._upsert.prepare(conn)

    def needs(self, event: Recorded) -> tuple[StateKey, ...]:
        sub = cast(JobFact, event.body).subjob_id
        return (event.key, (*event.key, sub)) if sub else (event.key,)

    async def load(self, conn: Connection, keys: Iterable[StateKey]) -> dict[StateKey, JobState]:
        asked = [{"site": site, "id": id_, "sub": sub[0] if sub else ""} for site, id_, *sub in keys]
        values = {"asked": json_text(asked)}
        cursor = await conn.execute(self._queries["load-entities"], values, prepare=True)
        loaded: dict[StateKey, JobState] = {}
        time_slice = TimeSlice()
        while rows := await cursor.fetchmany(_FETCH):
            for site, id_, sub, *columns in rows:
                if time_slice.is_over():
                    await time_slice.yield_to_others()  # metadata may be large
                columns[_METRICS] = from_json(columns[_METRICS])
                columns[_METADATA] = from_json(columns[_METADATA])
                loaded[(site, id_, sub) if sub else (site, id_)] = JobState(*columns)
        return loaded

    def weight(self, state: JobState) -> int:
        return 2_000 + 100 * (len(state.metrics) + len(state.metadata))

    def changes(self) -> JobChanges:
        return JobChanges()

    def fold(self, states: dict[StateKey, JobState | None], event: Recorded, changes: JobChanges) -> None:
        fold(states, event, changes)

    async def write(self, conn: Connection, changes: JobChanges) -> None:
        """Write `event` rows by COPY, and add to the rows of statistics."""
        if changes.events:
            await copy_rows(conn, self._queries["copy-events"], _EVENT, changes.events)
        names = ("part", "site", "app_id", "name")
        left_apps = [dict(zip(names, app, strict=True)) for app in changes.left_apps]
        await self._write(conn, "write-left-apps", left_apps)
        await self._count(conn, changes)

    async def store(self, conn: Connection, states: Mapping[StateKey, JobState | None]) -> None:
        """Upsert the `entity` row of each job and subjob."""
        await self._upsert.write(conn, states, _row)

    async def carry_over(self, conn: Connection, source: str, first_sequences: Mapping[str, int]) -> int:
        by_site = first_sequences_by_site(self.streams, first_sequences)
        keys = await carry_over(conn, source, self.schema, by_site)
        for start in range(0, len(keys), COUNTED_AT_ONCE):
            changes = self.changes()
            for (site, _), job in (await self.load(conn, keys[start : start + COUNTED_AT_ONCE])).items():
                changes.count(site, None, job)
            await self._count(conn, changes)
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
        stats = [key._asdict() | asdict(sums) for key, sums in changes.stats.items()]
        await self._write(conn, "write-stats", stats)
        buckets = [
            key._asdict() | {"bucket": bucket, "number": number}
            for (key, bucket), number in changes.buckets.items()
        ]
        await self._write(conn, "write-buckets", buckets)

    async def _write(self, conn: Connection, query: str, rows: list[dict[str, Any]]) -> None:
        if rows:
            await conn.execute(self._queries[query], {"rows": json_text(rows)}, prepare=True)


def _row(key: StateKey, state: JobState) -> tuple[Any, ...]:
    site, id_, *sub = key
    columns = list(_columns(state))
    columns[_METRICS] = json_text(state.metrics)
    columns[_METADATA] = json_text(state.metadata)
    return site, id_, sub[0] if sub else "", *columns, state.duration_s
