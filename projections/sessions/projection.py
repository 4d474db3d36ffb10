"""The sessions projection: its streams, and how what is folded meets PostgreSQL."""

from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType

from projections.projection import Key, StateKey
from projections.recorded import Recorded
from projections.sessions.fold import FACTS, VERSION, fold
from projections.sessions.rows import EVENT, METRIC, PATCH, SessionChanges
from projections.sessions.state import SESSION, Session
from projections.state_projection import StateProjection
from runtime.database.connections import Connection
from runtime.database.queries import columns_of
from schemas.sessions.streams import HEARTBEATS, SESSIONS


class SessionsProjection(StateProjection[Session, SessionChanges]):
    """Sessions with their timelines, read from SESSIONS and HEARTBEATS."""

    name = "sessions"
    package = "projections.sessions"
    version = VERSION
    streams = (SESSIONS, HEARTBEATS)
    entity = "session"
    facts = FACTS
    table = SESSION
    other_tables = (EVENT, METRIC, PATCH)
    latest_only = MappingProxyType({"heartbeat": HEARTBEATS.name})
    bookkeeping = frozenset({"expiry"})  # tells how the two streams interleaved

    def needs(self, event: Recorded) -> tuple[StateKey, ...]:
        return () if event.subject.fact in ("heartbeat", "expired") else (event.key,)

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
        for table, by_session in (
            (EVENT, changes.events),
            (METRIC, changes.metrics),
            (PATCH, changes.patches),
        ):
            if by_session:
                await table.add(conn, self.schema, chain.from_iterable(by_session.values()))

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
