"""The memory of message ids, far beyond JetStream's two minutes: the same id counts once in 7 days.

The window is measured in store time, so a rebuild comes to the same conclusions. Only ids that producers
chose are remembered, and not those of levels (heartbeats), which may repeat.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from projections.recorded import RawEvent
from runtime.postgres import Connection
from runtime.sql import Queries
from schemas.streams import STREAMS

WINDOW: Final = timedelta(days=7)
_LEVELS: Final = frozenset(stream.name for stream in STREAMS if stream.newest_only)
_Slot = tuple[int, UUID]


class MessageIds:
    """The ids one batch meets: which of its events are duplicates, and what has to be remembered."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._seen: dict[_Slot, datetime] = {}
        self._new: dict[_Slot, datetime] = {}

    async def load(self, conn: Connection, events: Iterable[RawEvent]) -> None:
        """Look up the ids of a batch."""
        slots = {slot for event in events if (slot := _slot(event)) is not None}
        if not slots:
            return
        cursor = await conn.execute(
            self._queries["message-ids-seen"],
            {"parts": [part for part, _ in slots], "ids": [id_ for _, id_ in slots]},
        )
        async for part, id_, stored_at in cursor:
            self._seen[part, id_] = stored_at

    def is_duplicate(self, event: RawEvent) -> bool:
        """Whether an earlier event within the window had this id."""
        slot = _slot(event)
        if slot is None:
            return False
        before = self._new.get(slot) or self._seen.get(slot)
        return before is not None and event.stored_at - before <= WINDOW

    def remember(self, event: RawEvent) -> None:
        """The event took effect under its id."""
        if (slot := _slot(event)) is not None:
            self._new[slot] = event.stored_at

    async def write(self, conn: Connection) -> None:
        """Store what is new, inside the batch's transaction."""
        if self._new:
            await conn.execute(
                self._queries["remember-message-ids"],
                {
                    "parts": [part for part, _ in self._new],
                    "ids": [id_ for _, id_ in self._new],
                    "stored_at": list(self._new.values()),
                },
            )


async def forget_old(conn: Connection, queries: Queries, newest: Sequence[tuple[int, datetime]]) -> None:
    """Delete ids outside the window as of each partition's newest event. Answers never depend on it."""
    await conn.execute(
        queries["forget-message-ids"],
        {"parts": [part for part, _ in newest], "before": [at - WINDOW for _, at in newest]},
    )


def _slot(event: RawEvent) -> _Slot | None:
    if event.stream in _LEVELS:
        return None
    message_id = event.explicit_id()
    if message_id is None:
        return None
    return event.partition, UUID(
        bytes=hashlib.blake2b(message_id.encode(errors="surrogatepass"), digest_size=16).digest()
    )
