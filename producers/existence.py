"""Whether an entity exists: asked of the line, which knows at once, not of a read model, which may lag."""

import asyncio
from collections import OrderedDict
from typing import Final

from producers.publishing.outcomes import BusUnavailable
from producers.publishing.requests import InDoubt
from producers.publishing.stored_lookup import StoredLookup
from schemas.facts import EXPIRED
from schemas.registry import DECLARED
from schemas.stored_subjects import entity_filter

_CACHE_S: Final = 10.0
_PAUSE_S: Final = 0.1
_TRY_S: Final = 2.0


class Existence:
    """An entity exists from its first fact of any kind until it has `expired`.

    A positive answer is cached for `cache_s` seconds, for at most `cache_size` entities; a negative one comes
    from the streams' leaders every time, so that a fact acknowledged a moment ago counts wherever it was
    published.
    """

    def __init__(
        self,
        stored_lookup: StoredLookup,
        *,
        partitions: int,
        timeout: float = 5.0,
        cache_size: int = 100_000,
        cache_s: float = _CACHE_S,
    ) -> None:
        self._stored_lookup = stored_lookup
        self._partitions = partitions
        self._timeout = timeout
        self._cache_size = cache_size
        self._cache_s = cache_s
        self._until: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    async def exists(self, site: str, entity: str, entity_id: str) -> bool:
        """Whether facts may be added to the entity. Raises BusUnavailable without an answer in time."""
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
                if loop.time() + _PAUSE_S >= deadline:
                    raise BusUnavailable(f"the event stream does not answer: {doubt}") from doubt
                await asyncio.sleep(_PAUSE_S)
            else:
                break
        if found:
            self.note(*key)
        return found

    def note(self, site: str, entity: str, entity_id: str) -> None:
        """Cache that the entity exists: a fact of it has just been acknowledged."""
        key = (site, entity, entity_id)
        self._until[key] = asyncio.get_running_loop().time() + self._cache_s
        self._until.move_to_end(key)
        if len(self._until) > self._cache_size:
            self._until.popitem(last=False)

    async def _look(self, key: tuple[str, str, str], left: float) -> bool:
        # Streams in their declared order: the first one holds `expired`, which ends heartbeats as well.
        stored_filter = entity_filter(*key, self._partitions)
        streams = [stream.name for stream in DECLARED.families[key[1]].streams]
        for look in (self._stored_lookup.last_nearby, self._stored_lookup.last):
            for stream in streams:
                newest = await look(stream, stored_filter, min(left, _TRY_S))
                if newest is not None:
                    return newest.fact != EXPIRED
        return False
