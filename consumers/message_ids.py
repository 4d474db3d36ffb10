"""The memory of message ids, far beyond JetStream's two minutes: an entity counts the same id once in 7 days.

The window is measured in store time, so a rebuild comes to the same conclusions. Only ids that producers
chose are remembered, and not those of levels (heartbeats), which may repeat.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from projections.projection import Key
from projections.recorded import MESSAGE_ID_WINDOW, RawEvent
from runtime.postgres import Connection
from runtime.sql import Queries
from schemas.streams import STREAMS

_LEVELS: Final = frozenset(stream.name for stream in STREAMS if stream.newest_only)
Slot = tuple[str, str, UUID]
"""(site, id) of the entity and the message id, hashed."""


class MessageIds:
    """The ids one batch meets: which of its events are duplicates, and what has to be remembered."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._seen: dict[Slot, datetime] = {}
        self._new: dict[Slot, tuple[int, datetime]] = {}

    async def load(self, conn: Connection, slots: set[Slot]) -> None:
        """Look up the ids of a batch."""
        if not slots:
            return
        sites, ids, messages = (list(column) for column in zip(*slots, strict=True))
        cursor = await conn.execute(
            self._queries["message-ids-seen"],
            {"sites": sites, "ids": ids, "messages": messages},
            prepare=True,
        )
        async for site, id_, message, stored_at in cursor:
            self._seen[site, id_, message] = stored_at

    def is_duplicate(self, event: RawEvent, slot: Slot) -> bool:
        """Whether an earlier event within the window had this id."""
        before = self._new[slot][1] if slot in self._new else self._seen.get(slot)
        return before is not None and event.stored_at - before <= MESSAGE_ID_WINDOW

    def remember(self, event: RawEvent, slot: Slot) -> None:
        """The event took effect under its id."""
        self._new[slot] = event.partition, event.stored_at

    def expire(self, key: Key) -> None:
        """The entity is gone, and with it the ids it had seen."""
        for known in (self._seen, self._new):
            for slot in [slot for slot in known if slot[:2] == key]:
                del known[slot]

    async def write(self, conn: Connection) -> None:
        """Store what is new, inside the batch's transaction."""
        if self._new:
            rows = [(part, *slot, stored_at) for slot, (part, stored_at) in self._new.items()]
            columns = [list(column) for column in zip(*rows, strict=True)]
            await conn.execute(self._queries["remember-message-ids"], columns, prepare=True)


async def forget_old(conn: Connection, queries: Queries, newest: Sequence[tuple[int, datetime]]) -> None:
    """Delete ids outside the window as of each partition's newest event. Answers never depend on it."""
    await conn.execute(
        queries["forget-message-ids"],
        {"parts": [part for part, _ in newest], "before": [at - MESSAGE_ID_WINDOW for _, at in newest]},
    )


def slot_of(event: RawEvent, key: Key | None) -> Slot | None:
    """Under what an event of the entity `key` counts once; None: it has no id, or names no entity."""
    if event.stream in _LEVELS or key is None or (message_id := event.explicit_id()) is None:
        return None
    digest = hashlib.blake2b(message_id.encode(errors="surrogatepass"), digest_size=16).digest()
    return *key, UUID(bytes=digest)
