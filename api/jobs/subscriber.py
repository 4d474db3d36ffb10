"""A subscriber of a live stream: the events one client has not taken yet."""

import asyncio
from collections import deque
from collections.abc import Callable

from projections.jobs.live_events import LiveEvent

Wanted = Callable[[LiveEvent], bool]
"""Whether a client asked for an event."""


class TooSlow(Exception):
    """The client does not take its events fast enough."""


class Subscriber:
    """Holds at most `most` events behind the sequence `after` until the client takes them."""

    def __init__(self, wanted: Wanted, after: int, most: int) -> None:
        self.wanted = wanted
        self.after = after
        self._most = most
        self._waiting: deque[LiveEvent] = deque()
        self._is_too_slow = False
        self._changed = asyncio.Event()

    def put(self, event: LiveEvent) -> None:
        """Add an event, unless the client has it or does not want it; too many make the client too slow."""
        if event.sequence <= self.after or not self.wanted(event):
            return
        if len(self._waiting) >= self._most:
            self._is_too_slow = True
        else:
            self._waiting.append(event)
        self._changed.set()

    async def take(self, timeout: float) -> list[LiveEvent]:
        """Take what waits, in order; empty when nothing came within `timeout` seconds. Raises TooSlow."""
        if not self._waiting and not self._is_too_slow:
            self._changed.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._changed.wait()
            except TimeoutError:
                return []
        if self._is_too_slow:
            raise TooSlow
        return self.take_now()

    def take_now(self) -> list[LiveEvent]:
        """Take what waits at present, in order."""
        taken = list(self._waiting)
        self._waiting.clear()
        return taken
