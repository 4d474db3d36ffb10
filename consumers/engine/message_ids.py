"""Message ids, remembered far beyond JetStream's two minutes: an entity counts the same id once in 7 days.

The window is measured in store time, so a rebuild comes to the same conclusions. Only ids that producers
chose are remembered, and not those of heartbeats, of which only the newest counts.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from projections.binary_copy import json_text
from projections.dedup_key import MESSAGE_ID_WINDOW, DedupKey, KeyUse
from projections.projection import Key
from runtime.database.connections import Connection
from runtime.database.queries import Queries


class MessageIds:
    """The ids one batch meets: which of its events are duplicates, and what has to be remembered.

    They travel as JSON: as arrays they took the client ten times longer.
    """

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._seen: dict[DedupKey, KeyUse] = {}
        self._claimed: dict[DedupKey, KeyUse] = {}
        self._used: dict[DedupKey, KeyUse] = {}
        self._expired: set[DedupKey] = set()

    async def claim(self, conn: Connection, uses: Iterable[KeyUse]) -> None:
        """Insert the ids of a batch now, and note which of them were there before, and for which event.

        Nearly every event takes effect, so that nothing is left to write afterwards; `write` corrects the
        rest.
        """
        for use in uses:
            self._claimed.setdefault(use.key, use)
        if not self._claimed:
            return
        query = self._queries["claim-message-ids"]
        cursor = await conn.execute(query, {"ids": _rows(self._claimed.values())}, prepare=True)
        async for site, id_, message, *used in cursor:
            key = site, id_, message
            self._seen[key] = KeyUse(key, self._claimed[key].partition, *used)

    def begin(self) -> None:
        """Start folding the batch, perhaps once more: nothing took effect yet."""
        self._used = {}
        self._expired = set()

    def is_duplicate(self, use: KeyUse) -> bool:
        """Whether an event was there before, under the same id and within the window.

        Raises InvalidFact when the id is another event's.
        """
        before = self._used.get(use.key)
        if before is None and use.key not in self._expired:
            before = self._seen.get(use.key)
        return before is not None and before.is_repeated_by(use)

    def use(self, use: KeyUse) -> None:
        """Note that an event took effect under its id."""
        self._used[use.key] = use

    def expire(self, entity: Key) -> None:
        """Forget the ids of an entity that is gone; the query `forget-expired` deletes them."""
        for dedup_key in [one for one in self._claimed if one[:2] == entity]:
            self._expired.add(dedup_key)
            self._used.pop(dedup_key, None)

    async def write(self, conn: Connection) -> None:
        """Correct the claimed ids of events that took no effect, or count from a new use."""
        used = [
            use
            for dedup_key, use in self._used.items()
            if dedup_key in self._seen or dedup_key in self._expired or use != self._claimed[dedup_key]
        ]
        kept = self._used.keys() | self._seen.keys() | self._expired
        unused = [dedup_key for dedup_key in self._claimed if dedup_key not in kept]
        if used or unused:
            names = [{"site": site, "id": id_, "message": message} for site, id_, message in unused]
            values = {"used": _rows(used), "unused": json_text(names)}
            await conn.execute(self._queries["correct-message-ids"], values)


async def forget_old(conn: Connection, queries: Queries, newest: Mapping[int, datetime]) -> None:
    """Delete ids outside the window as of the newest event of each partition. Answers never depend on it."""
    await conn.execute(
        queries["forget-message-ids"],
        {"parts": list(newest), "before": [at - MESSAGE_ID_WINDOW for at in newest.values()]},
    )


def _rows(uses: Iterable[KeyUse]) -> str:
    rows: list[dict[str, Any]] = [
        {
            "part": use.partition,
            "site": use.key[0],
            "id": use.key[1],
            "message": use.key[2],
            "seq": use.sequence,
            "stored_at": use.stored_at,
            "digest": use.digest,
        }
        for use in uses
    ]
    return json_text(rows)
