"""Differences that the line explains: what it no longer holds cannot be folded again.

While a verification runs, sessions expire and are purged, and of levels (heartbeats) only the newest is kept.
"""

from typing import Any

from nats.aio.client import Client

from consumers.control.compare import Difference
from line.checkpoints import Sequences
from line.messages import newest_message
from projections.projection import Key, Projection
from schemas.facts import EXPIRED
from schemas.subjects import fact_filter, home_of


class Excuses:
    """Looks a differing row's entity up on the line; `live` is where the comparison stands."""

    def __init__(
        self, projection: Projection[Any, Any], nc: Client, live: Sequences, partitions: int
    ) -> None:
        self._projection = projection
        self._nc = nc
        self._live = live
        self._partitions = partitions
        self._known: dict[tuple[str, Key], bool] = {}

    async def excuse(self, difference: Difference) -> bool:
        """Whether the row is about something that changed on the line after the checkpoints."""
        site, entity_id = difference.key.get("site"), difference.key.get("id")
        if site is None or entity_id is None:
            return False
        key = site, entity_id
        return any(
            [
                await self._later(stream.name, key, "*" if stream.newest_only else EXPIRED)
                for stream in self._projection.streams
                if not stream.newest_only or self._projection.levels.get(difference.table) == stream.name
            ]
        )

    async def _later(self, stream: str, key: Key, fact: str) -> bool:
        """Whether the newest such fact of the entity was stored after the checkpoint."""
        if (stream, key) not in self._known:
            where = fact_filter(key[0], self._projection.entity, key[1], fact, self._partitions)
            end = self._live.get(home_of(key[1], self._partitions), {}).get(stream, 0)
            newest = await newest_message(self._nc, stream, where)
            self._known[stream, key] = newest is not None and newest.sequence > end
        return self._known[stream, key]
