"""The sessions projection: its streams, and how states and rows meet PostgreSQL."""

from collections.abc import Iterable, Mapping
from itertools import chain
from operator import attrgetter
from types import MappingProxyType
from typing import Final

from pydantic_core import from_json

from projections.bulk_upsert import BulkUpsert, copy_rows, json_text
from projections.projection import Key, Projection, StateKey
from projections.recorded import Recorded
from projections.sessions.fold import fold
from projections.sessions.rows import Row, SessionChanges
from projections.sessions.state import Session
from runtime.database.connections import Connection
from runtime.database.queries import columns_of, load_queries
from runtime.process.time_slice import TimeSlice
from schemas.streams import HEARTBEATS, SESSIONS

_plain = attrgetter(*Session.__struct_fields__[1:-2])  # the columns between the partition and the state
_FETCH: Final = 500

# Type names of the COPY columns: binary COPY needs exact types. JSON travels as text: as type json psycopg
# would encode the string once more.
_PLACE: Final = ["int2", "text", "text", "int8", "timestamptz"]
_SESSION: Final = [
    *("int2", "text", "text", "int8", "int8", "int8", "timestamptz", "timestamptz", "timestamptz", "bool"),
    *("int8", "timestamptz", "bool", "bool", "text", "text", "int8", "int8", "text"),
]
_EVENT: Final = [*_PLACE, "text", "text"]
_METRIC: Final = [*_PLACE, "text", "float8", "text"]
_PATCH: Final = [*_PLACE, "bool", "text"]


class SessionsProjection(Projection[Session, SessionChanges]):
    """Sessions with their timelines, read from SESSIONS and HEARTBEATS."""

    name = "sessions"
    package = "projections.sessions"
    version = 1
    streams = (SESSIONS, HEARTBEATS)
    entity = "session"
    latest_only = MappingProxyType({"heartbeat": HEARTBEATS.name})
    bookkeeping = frozenset({"expiry"})  # tells how the two streams interleaved

    def __init__(self, schema: str | None = None) -> None:
        super().__init__(schema)
        self._queries = load_queries(self.package, "write.sql", schema=self.schema)
        self._upsert = BulkUpsert(self._queries, _SESSION)

    async def prepare(self, conn: Connection) -> None:
        await self._upsert.prepare(conn)

    def needs(self, event: Recorded) -> tuple[StateKey, ...]:
        return () if event.subject.fact in ("heartbeat", "expired") else (event.key,)

    async def load(self, conn: Connection, keys: Iterable[StateKey]) -> dict[StateKey, Session]:
        asked = json_text([{"site": site, "id": id_} for site, id_ in keys])
        cursor = await conn.execute(self._queries["load-sessions"], {"asked": asked}, prepare=True)
        loaded: dict[StateKey, Session] = {}
        time_slice = TimeSlice()
        while rows := await cursor.fetchmany(_FETCH):
            for site, id_, *columns, state in rows:
                if time_slice.is_over():
                    await time_slice.yield_to_others()  # a state may be large
                columns.append(from_json(state))
                loaded[site, id_] = session = Session(*columns)
                session.weight = len(state)
        return loaded

    def weight(self, state: Session) -> int:
        return 1_000 + 4 * state.weight  # Python objects take several times their JSON

    def changes(self) -> SessionChanges:
        return SessionChanges()

    def fold(self, states: dict[StateKey, Session | None], event: Recorded, changes: SessionChanges) -> None:
        fold(states, event, changes)

    async def write(self, conn: Connection, changes: SessionChanges) -> None:
        """Write `event`, `metric` and `patch` rows by COPY, `heartbeat` rows by one upsert.

        The rows of sessions that expired go first, from all of these tables.
        """
        if changes.expired:
            await self._erase(conn, changes.expired)
        if changes.heartbeats:
            await conn.execute(self._queries["write-heartbeats"], columns_of(changes.heartbeats.values()))
        timelines = (
            ("copy-events", _EVENT, changes.events),
            ("copy-metrics", _METRIC, changes.metrics),
            ("copy-patches", _PATCH, changes.patches),
        )
        for query, types, by_session in timelines:
            if by_session:
                await copy_rows(conn, self._queries[query], types, chain.from_iterable(by_session.values()))

    async def store(self, conn: Connection, states: Mapping[StateKey, Session | None]) -> None:
        """Upsert the `session` row of each state."""
        await self._upsert.write(conn, states, _session_row)

    async def _erase(self, conn: Connection, expired: Mapping[Key, Recorded]) -> None:
        await conn.execute(
            self._queries["erase-sessions"],
            {
                "parts": [event.partition for event in expired.values()],
                "sites": [site for site, _ in expired],
                "ids": [id_ for _, id_ in expired],
                "expired_at": [event.stored_at for event in expired.values()],
            },
        )


def _session_row(key: StateKey, session: Session) -> Row:
    state = json_text(session.state)
    session.weight = len(state)
    return (session.part, *key, *_plain(session), state)
