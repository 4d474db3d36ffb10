"""The recent events of a stream, kept in memory for clients that come back."""

from bisect import bisect_right
from collections import deque
from typing import Final

from projections.jobs.live_events import LiveEvent

_MOST_BYTES: Final = 16 << 20


class RecentEvents:
    """Keeps the newest events, at most `most` and 16 MiB of them.

    `first`: every event from this sequence on is kept, or is not shown.
    """

    def __init__(self, most: int) -> None:
        self.first = 0
        self._most = most
        self._events: deque[LiveEvent] = deque()
        self._bytes = 0

    def start(self, first: int) -> None:
        """Forget all events, and begin with the sequence `first`."""
        self._events.clear()
        self._bytes = 0
        self.first = first

    def append(self, event: LiveEvent) -> None:
        """Keep the next event; the oldest ones beyond the bounds are forgotten."""
        self._events.append(event)
        self._bytes += len(event.data)
        while len(self._events) > self._most or self._bytes > _MOST_BYTES:
            oldest = self._events.popleft()
            self._bytes -= len(oldest.data)
            self.first = oldest.sequence + 1

    def after(self, sequence: int) -> list[LiveEvent]:
        """The kept events behind a sequence, in order."""
        events = list(self._events)
        return events[bisect_right(events, sequence, key=lambda event: event.sequence) :]
