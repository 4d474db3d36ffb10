"""Folding a list of facts through the real projector into a real PostgreSQL, batch by batch."""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final

from consumers.engine.leases import Leases, identify
from consumers.engine.message_ids import forget_old
from consumers.engine.projector import Projector
from line.raw_event import RawEvent
from projections.catalogue import PROJECTIONS
from projections.generations import tables
from projections.projection import Projection
from projections.sessions.views import SessionViews
from runtime.database.connections import Connection
from runtime.database.engine.generation_tables import ENGINE_TABLES
from runtime.database.engine.queries import engine_queries
from schemas.headers import header_block
from schemas.streams import stream_of
from schemas.subjects import PREFIX, partition_of
from tests.reference.published import Published
from tests.support.settings import PARTITIONS

_NOT_FOLDED: Final = {table.name for table in ENGINE_TABLES if not table.folded}


def raw_event(one: Published) -> RawEvent:
    """As the line would deliver it."""
    tokens = one.subject.split(".")
    part = partition_of(tokens[3], PARTITIONS)
    return RawEvent(
        stream=stream_of("session", one.fact).name,
        partition=part,
        sequence=one.seq,
        stored_at=one.stored_at,
        subject=".".join([PREFIX, str(part), *tokens[1:]]),
        headers=header_block(one.headers),
        body=one.body,
    )


class Folding:
    """A read model that one owner fills, as often from the start as a test likes."""

    def __init__(self, conn: Connection, projection: Projection[Any, Any] = PROJECTIONS[0]) -> None:
        self.conn = conn
        self.leases = Leases(projection.schema, "folding", PARTITIONS, ttl=3600, version=projection.version)
        self.projector = Projector(projection)
        self.together = Projector(projection, max_transaction_events=1 << 30)
        self._newest: dict[int, datetime] = {}
        self._batch_queries = engine_queries(projection.schema)
        self._views = SessionViews(own="local", timeout=timedelta(seconds=60), partitions=PARTITIONS)

    async def start_over(self) -> None:
        """Empty tables and checkpoints, all leases ours."""
        schema = self.projector.projection.schema
        folded = await self._folded_tables()
        async with self.conn.transaction(), self.conn.pipeline():
            for table in folded:  # few rows: quicker than truncating
                await self.conn.execute(f"delete from {schema}.{table}".encode())
            await self.conn.execute("update foldline.lease set seqs = '{}' where seqs <> '{}'")
        self._newest.clear()
        self.projector.forget()
        self.together.forget()
        await self.take_leases()
        for held in self.leases.held.values():
            held.sequences.clear()

    async def take_leases(self) -> None:
        """All partitions become ours."""
        if not self.leases.held:
            await self.leases.refresh(self.conn, await identify(self.conn))

    async def fold(
        self, batches: Iterable[Sequence[Published]], *, ahead: bool = True, together: bool = False
    ) -> None:
        """One transaction a batch, in the order given, or `together`, as few as the projector likes.

        With `ahead`, it hears of some events before.
        """
        projector, other = (self.together, self.projector) if together else (self.projector, self.together)
        other.forget()
        wanted = [batch for batch in batches if batch]
        made = deque([raw_event(one) for one in batch] for batch in wanted)

        def following() -> list[RawEvent]:
            if ahead:
                for event in list(chain.from_iterable(list(made)[:2]))[::2]:
                    projector.prefetch(event)
            return made.popleft() if made else []

        while made:
            await projector.apply(self.conn, following(), self.leases, following)
        for batch in wanted:
            self.saw(batch)

    def saw(self, facts: Iterable[Published]) -> None:
        """Note how far store time is: message ids live by it."""
        for event in map(raw_event, facts):
            self._newest[event.partition] = max(
                event.stored_at, self._newest.get(event.partition, event.stored_at)
            )

    async def rows(self) -> dict[str, list[str]]:
        """Everything in the read model; of message ids those that still count, as others may go any time."""
        await forget_old(self.conn, self._batch_queries, self._newest)
        projection = self.projector.projection
        schema = projection.schema
        found = {}
        for table in await self._folded_tables():
            if table in projection.bookkeeping:
                continue
            cursor = await self.conn.execute(f"select t::text from {schema}.{table} t".encode())
            found[table] = sorted(row for (row,) in await cursor.fetchall())
        return found

    async def _folded_tables(self) -> list[str]:
        """The tables whose rows come from folding events."""
        return [
            name
            for name in await tables(self.conn, self.projector.projection.schema)
            if name not in _NOT_FOLDED
        ]

    async def rejected(self) -> set[tuple[str, int]]:
        """Streams and sequences of what was set aside."""
        cursor = await self.conn.execute("select stream, seq from sessions.rejected")
        return {(stream, seq) for stream, seq in await cursor.fetchall()}

    async def document(self, session_id: str, site: str = "local") -> bytes | None:
        """The session as the API would serve it."""
        return (await self._views.session(self.conn, session_id, site)).body
