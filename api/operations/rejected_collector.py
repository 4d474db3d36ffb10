"""The collector of rejected events: a gauge by projection and reason, read from the database for a scrape."""

import asyncio
import time
from typing import Final

from api.reading.reader import Reader
from projections.rejected import RejectedEvents
from runtime.http.errors import HttpProblem
from runtime.metrics import REJECTED_EVENTS

_FRESH_S: Final = 5.0
_BOUND_S: Final = 2.0


class RejectedCollector:
    """Counts rejected events, at most once in a few seconds; without an answer the gauge shows nothing."""

    def __init__(self, reader: Reader, events: RejectedEvents) -> None:
        self._reader = reader
        self._events = events
        self._asked = float("-inf")
        self._turn = asyncio.Lock()

    async def refresh(self) -> None:
        """Bring the gauge up to date, for a scrape."""
        async with self._turn:
            if time.monotonic() - self._asked < _FRESH_S:
                return
            counts = await self._counts()
            self._asked = time.monotonic()
            REJECTED_EVENTS.clear()
            for (projection, reason), count in counts.items():
                REJECTED_EVENTS.labels(projection, reason).set(count)

    async def _counts(self) -> dict[tuple[str, str], int]:
        try:
            async with asyncio.timeout(_BOUND_S):
                return await self._reader.read(self._events.counts)
        except (HttpProblem, TimeoutError):
            return {}
