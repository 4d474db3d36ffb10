"""Does this entity exist? Asked of the line, which knows at once, not of a read model, which may lag."""

import asyncio
from collections import OrderedDict
from typing import Final

from producers.publishing.outcomes import BusUnavailable
from producers.publishing.requests import InDoubt
from producers.publishing.stored_lookup import StoredLookup
from schemas.facts import EXPIRED
from schemas.streams import STREAMS
from schemas.subjects import entity_filter

_REMEMBERED_S: Final = 10.0
_PAUSE: Final = 0.1
_TRY: Final = 2.0


class Existence:
    """An entity exists from its first fact of any kind until it has `expired`.

    Yes is remembered for a few seconds; no is asked of the streams' leaders every time, so that a fact
    acknowledged a moment ago counts wherever it was published.
    """

    def __init__(
        self,
        stored: StoredLookup,
        *,
        partitions: int,
        timeout: float = 5.0,
        remember: int = 100_000,
        remembered_s: float = _REMEMBERED_S,
    ) -> None:
        self._stored = stored
        self._partitions = partitions
        self._timeout = timeout
        self._remember = remember
        self._remembered_s = remembered_s
        self._until: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    async def exists(self, site: str, entity: str, entity_id: str) -> bool:
        """Whether facts may be added to it. Raises BusUnavailable when the line does not answer in time."""
        key = (site, entity, entity_id)
        loop = asyncio.get_running_loop()
        if self._until.get(key, 0.0) > loop.time():
            self._until.move_to_end(key)
            return True
        deadline = loop.time() + self._timeout
        while True:
            try:
                found = await self._look(key, deadline - loop.time())
            except InDoubt as doubt:
                if loop.time() + _PAUSE >= deadline:
                    raise BusUnavailable(f"the line does not answer: {doubt}") from doubt
                await asyncio.sleep(_PAUSE)
            else:
                break
        if found:
            self.note(*key)
        return found

    def note(self, site: str, entity: str, entity_id: str) -> None:
        """Remember that it exists: a fact of it has just been acknowledged."""
        key = (site, entity, entity_id)
        self._until[key] = asyncio.get_running_loop().time() + self._remembered_s
        self._until.move_to_end(key)
        if len(self._until) > self._remember:
            self._until.popitem(last=False)

    async def _look(self, key: tuple[str, str, str], left: float) -> bool:
        # Streams in their declared order: the first one holds `expired`, which ends heartbeats as well.
        stored_filter = entity_filter(*key, self._partitions)
        streams = [stream.name for stream in STREAMS if stream.entity == key[1]]
        for look in (self._stored.last_nearby, self._stored.last):
            for stream in streams:
                newest = await look(stream, stored_filter, min(left, _TRY))
                if newest is not None:
                    return newest.fact != EXPIRED
        return False
