"""The buffer: events that arrived and are not yet folded, of all partitions a follower holds."""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate, islice
from typing import Final

from line.raw_event import RawEvent

_FRAME: Final = 400  # bytes an event takes beside its body and headers, roughly
_LOOK: Final = 0.001  # seconds
MOST_BATCH_BYTES: Final = 4 << 20
"""The most bytes of events in a batch. They bound how long others wait until it is folded and committed."""
_IDLE: Final = 10  # looks in a row that found nothing although something is expected
_LOOKS: Final = 8  # while lingering: one that finds nothing new ends it


class Buffer:
    """Holds events in order of arrival, hence in order within each partition.

    It never refuses: the bound is kept by asking the line for more only while there is room. `peeked`: how
    many of its first events were seen by a prefetch already.
    """

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self.max_events = max_events
        self.max_bytes = max_bytes
        self._events: deque[RawEvent] = deque()
        self._bytes = 0
        self.peeked = 0
        self.peeked_bytes = 0
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: RawEvent) -> None:
        """Add an event; whoever waits wakes up."""
        self._events.append(event)
        self._bytes += _FRAME + len(event.body) + len(event.headers)
        self._arrived.set()

    def room(self) -> int:
        """Return how many more events may be asked for."""
        if self._bytes >= self.max_bytes:
            return 0
        return max(0, self.max_events - len(self._events))

    async def wait(self) -> None:
        """Wait until there is at least one event."""
        await self._arrived.wait()

    async def fill(self, enough: int, expected: Callable[[], Awaitable[bool]], linger: float = 0.0) -> None:
        """Wait for `enough` events as long as more are `expected`: a batch costs less the more it has.

        When they are not, still up to `linger` seconds while new ones keep coming.
        """
        now = asyncio.get_running_loop().time
        until = now() + linger
        idle = 0
        while idle < _IDLE and len(self._events) < enough and self.room():
            stored = await expected()
            if not stored and now() >= until:
                return
            before = len(self._events)
            await asyncio.sleep(_LOOK if stored else linger / _LOOKS)
            if len(self._events) > before:
                idle = 0
            elif stored:
                idle += 1
            else:
                return

    def peek(self, most: int) -> list[RawEvent]:
        """Return the next events that were not peeked at, in the order they will be taken."""
        stop = min(self.peeked + most, len(self._events))
        events = [self._events[place] for place in range(self.peeked, stop)]
        self.peeked = stop
        self.peeked_bytes += _size(events)
        return events

    def take(self, most: int, most_bytes: int = MOST_BATCH_BYTES) -> list[RawEvent]:
        """Take what has arrived, at most `most` events of `most_bytes`, or one larger event; may be empty."""
        number = min(most, len(self._events))
        if self._bytes > most_bytes:
            sizes = accumulate(_size([event]) for event in islice(self._events, number))
            number = max(1, bisect_right(list(sizes), most_bytes))
        batch = [self._events.popleft() for _ in range(number)]
        size = _size(batch)
        self._bytes -= size
        self.peeked = max(0, self.peeked - len(batch))
        self.peeked_bytes = max(0, self.peeked_bytes - size) if self.peeked else 0
        if not self._events:
            self._arrived.clear()
        return batch

    def drop(self, which: Callable[[RawEvent], bool]) -> None:
        """Forget events: their partition moved, or they are read again from the checkpoint."""
        kept = [event for event in self._events if not which(event)]
        self._events = deque(kept)
        self._bytes = _size(kept)
        self.peeked = self.peeked_bytes = 0  # some once more
        if not kept:
            self._arrived.clear()


def _size(events: Sequence[RawEvent]) -> int:
    return sum([_FRAME + len(event.body) + len(event.headers) for event in events])
