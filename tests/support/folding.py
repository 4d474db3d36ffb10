"""Folding a list of facts through the real projector into a real PostgreSQL, batch by batch."""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain, count
from typing import Any, Final

import pytest

from consumers.engine.leases import Fenced, Leases, identify
from consumers.engine.message_ids import forget_old
from consumers.engine.projector import Projector
from line.raw_event import RawEvent
from projections.catalogue import PROJECTIONS
from projections.generations import table_names
from projections.projection import Projection
from runtime.database.connections import Connection
from runtime.database.engine.generation_tables import ENGINE_TABLES
from runtime.database.engine.queries import engine_queries
from schemas.headers import header_block
from schemas.registry import DECLARED
from schemas.stored_subjects import stored_form
from tests.reference.published import Published
from tests.support.session_documents import BothWays
from tests.support.settings import PARTITIONS

_NOT_FOLDED: Final = {table.name for table in ENGINE_TABLES if not table.folded}


def raw_event(one: Published) -> RawEvent:
    """Return the event as the line would deliver it."""
    subject = stored_form(one.subject, PARTITIONS)
    _, part, _, entity, *_ = subject.split(".")
    return RawEvent(
        stream=DECLARED.stream_of(entity, one.fact).name,
        partition=int(part),
        sequence=one.seq,
        stored_at=one.stored_at,
        subject=subject,
        headers=header_block(one.headers),
        body=one.body,
    )


class Folding:
    """A read model that one owner fills, as often from the start as a test likes."""

    def __init__(self, conn: Connection, projection: Projection[Any, Any] = PROJECTIONS[0]) -> None:
        self.conn = conn
        self.leases = Leases(projection.schema, "folding", PARTITIONS, ttl=3600, version=projection.version)
        self.projection = projection
        self.projector = Projector(projection)
        self.together = Projector(projection, max_transaction_events=1 << 30)
        self._newest: dict[int, datetime] = {}
        self._tables: list[str] = []
        self._batch_queries = engine_queries(projection.schema)
        self._documents = BothWays(timedelta(seconds=60))

    async def start_over(self) -> None:
        """Empty all tables and checkpoints, and take all leases."""
        schema = self.projection.schema
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
        """Take the leases of all partitions."""
        if not self.leases.held:
            await self.leases.refresh(self.conn, await identify(self.conn))

    async def fold(
        self,
        batches: Iterable[Sequence[Published]],
        *,
        ahead: bool = True,
        together: bool = False,
        cold: Collection[int] = (),
        fenced: Collection[int] = (),
    ) -> None:
        """Fold, one transaction a batch in the order given, or `together`, as few as the projector likes.

        With `ahead`, it hears of some events before. `cold` and `fenced` have numbers of batches: before a
        cold one the projector forgets everything; a fenced one cannot commit at first and is delivered again.
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

        for number in count():
            if not made:
                break
            if number in cold:
                projector.forget()
            events = following()
            if number in fenced:
                await self._shift_epochs(1)
                with pytest.raises(Fenced):
                    await projector.apply(self.conn, events, self.leases)
                await self._shift_epochs(-1)
            await projector.apply(self.conn, events, self.leases, following)
        for batch in wanted:
            self.saw(batch)

    async def _shift_epochs(self, by: int) -> None:
        await self.conn.execute(
            "update foldline.lease set epoch = epoch + %s where follower = %s", (by, self.leases.follower)
        )

    def saw(self, facts: Iterable[Published]) -> None:
        """Note how far store time is, by which message ids live."""
        for event in map(raw_event, facts):
            self._newest[event.partition] = max(
                event.stored_at, self._newest.get(event.partition, event.stored_at)
            )

    async def rows(self) -> dict[str, list[str]]:
        """Return all rows by table; message ids only while they count: older ones may go at any time."""
        await forget_old(self.conn, self._batch_queries, self._newest)
        schema = self.projection.schema
        names = [name for name in await self._folded_tables() if name not in self.projection.bookkeeping]
        selects = [f"select '{name}', t::text from {schema}.{name} t" for name in names]
        cursor = await self.conn.execute(" union all ".join(selects).encode(), prepare=True)
        found: dict[str, list[str]] = {name: [] for name in names}
        for name, row in sorted(await cursor.fetchall()):
            found[name].append(row)
        return found

    async def _folded_tables(self) -> list[str]:
        """Return the tables whose rows come from folding events."""
        if not self._tables:
            found = await table_names(self.conn, self.projection.schema)
            self._tables = [name for name in found if name not in _NOT_FOLDED]
        return self._tables

    async def rejected(self) -> set[tuple[str, int]]:
        """Return stream and sequence of every rejected event."""
        schema = self.projection.schema
        cursor = await self.conn.execute(f"select stream, seq from {schema}.rejected".encode())
        return {(stream, seq) for stream, seq in await cursor.fetchall()}

    async def document(self, session_id: str, site: str = "local") -> bytes | None:
        """Return the session as the API would serve it."""
        return await self._documents.document(self.conn, session_id, site)
