"""The memory of message ids, far beyond JetStream's two minutes: an entity counts the same id once in 7 days.

The window is measured in store time, so a rebuild comes to the same conclusions. Only ids that producers
chose are remembered, and not those of levels (heartbeats), which may repeat.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from line.raw_event import RawEvent
from projections.bulk_upsert import json_text
from projections.dedup_key import Slot
from projections.projection import Key
from projections.recorded import MESSAGE_ID_WINDOW
from runtime.database.connections import Connection
from runtime.database.queries import Queries

_Use = tuple[int, datetime]  # partition and store time


class MessageIds:
    """The ids one batch meets: which of its events are duplicates, and what has to be remembered.

    They travel as JSON: as arrays they took the client ten times longer.
    """

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._seen: dict[Slot, datetime] = {}
        self._claimed: dict[Slot, _Use] = {}
        self._used: dict[Slot, _Use] = {}
        self._expired: set[Slot] = set()

    async def claim(self, conn: Connection, events: Iterable[tuple[RawEvent, Slot]]) -> None:
        """Look up the ids of a batch, and remember them as if its events took effect."""
        for event, slot in events:
            self._claimed.setdefault(slot, (event.partition, event.stored_at))
        if not self._claimed:
            return
        query = self._queries["claim-message-ids"]
        cursor = await conn.execute(query, {"ids": _uses(self._claimed.items())}, prepare=True)
        async for site, id_, message, stored_at in cursor:
            self._seen[site, id_, message] = stored_at

    def begin(self) -> None:
        """The batch is folded, perhaps once more: nothing took effect yet."""
        self._used = {}
        self._expired = set()

    def is_duplicate(self, event: RawEvent, slot: Slot) -> bool:
        """Whether an earlier event within the window had this id."""
        if slot in self._used:
            before = self._used[slot][1]
        elif slot in self._seen and slot not in self._expired:
            before = self._seen[slot]
        else:
            return False
        return event.stored_at - before <= MESSAGE_ID_WINDOW

    def use(self, event: RawEvent, slot: Slot) -> None:
        """The event took effect under its id."""
        self._used[slot] = event.partition, event.stored_at

    def expire(self, key: Key) -> None:
        """The entity is gone, and with it the ids it had seen: `forget-expired` deletes them."""
        for slot in [slot for slot in self._claimed if slot[:2] == key]:
            self._expired.add(slot)
            self._used.pop(slot, None)

    async def write(self, conn: Connection) -> None:
        """Store what became otherwise than claimed, inside the batch's transaction."""
        used = [
            (slot, use)
            for slot, use in self._used.items()
            if slot in self._seen or slot in self._expired or use != self._claimed[slot]
        ]
        kept = self._used.keys() | self._seen.keys() | self._expired
        unused = [slot for slot in self._claimed if slot not in kept]
        if used or unused:
            names = [{"site": site, "id": id_, "message": message} for site, id_, message in unused]
            values = {"used": _uses(used), "unused": json_text(names)}
            await conn.execute(self._queries["correct-message-ids"], values)


async def forget_old(conn: Connection, queries: Queries, newest: Sequence[tuple[int, datetime]]) -> None:
    """Delete ids outside the window as of each partition's newest event. Answers never depend on it."""
    await conn.execute(
        queries["forget-message-ids"],
        {"parts": [part for part, _ in newest], "before": [at - MESSAGE_ID_WINDOW for _, at in newest]},
    )


def _uses(uses: Iterable[tuple[Slot, _Use]]) -> str:
    rows: list[dict[str, Any]] = [
        {"part": part, "site": site, "id": id_, "message": message, "stored_at": stored_at}
        for (site, id_, message), (part, stored_at) in uses
    ]
    return json_text(rows)
