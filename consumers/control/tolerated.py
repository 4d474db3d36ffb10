"""Differences that a verification tolerates: the line explains them, for it has moved on meanwhile.

While a verification runs, sessions expire and are purged, and of heartbeats the stream keeps only the newest:
what the line no longer holds cannot be folded again.
"""

from typing import Any

from nats.aio.client import Client

from consumers.control.compare import Difference
from line.checkpoints import Sequences
from line.messages import newest_message
from projections.projection import Key, Projection
from schemas.facts import EXPIRED
from schemas.stored_subjects import fact_filter
from schemas.subjects import home_of


class Tolerated:
    """Looks up on the line whether a difference is tolerated. `target`: the checkpoints of the comparison."""

    def __init__(
        self, projection: Projection[Any, Any], nc: Client, target: Sequences, partitions: int
    ) -> None:
        self._projection = projection
        self._nc = nc
        self._target = target
        self._partitions = partitions
        self._known: dict[tuple[str, Key], bool] = {}

    async def includes(self, difference: Difference) -> bool:
        """Whether the row's entity changed on the line after the checkpoints. Raises StreamUnavailable."""
        both = {name: live or folded for name, (live, folded) in difference.columns.items()}
        site, entity_id = (difference.key.get(name) or both.get(name) for name in ("site", "id"))
        if site is None or entity_id is None:
            return False
        key = site, entity_id
        return any(
            [
                await self._is_later(stream.name, key, "*" if stream.newest_only else EXPIRED)
                for stream in self._projection.streams
                if not stream.newest_only or self._projection.latest_only.get(difference.table) == stream.name
            ]
        )

    async def _is_later(self, stream: str, key: Key, fact: str) -> bool:
        """Whether the entity's newest fact of this name (`*`: any) was stored after the checkpoint."""
        if (stream, key) not in self._known:
            where = fact_filter(key[0], self._projection.entity, key[1], fact, self._partitions)
            end = self._target.get(home_of(key[1], self._partitions), {}).get(stream, 0)
            newest = await newest_message(self._nc, stream, where)
            self._known[stream, key] = newest is not None and newest.sequence > end
        return self._known[stream, key]
