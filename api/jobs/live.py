"""Live events for many readers: the stream is read once, and kept a while for who comes back."""

import asyncio
import logging
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Final

from api.reading.reader import Reader
from line.jetstream import stream_info
from line.live_tail import tail_stream
from line.raw_event import RawEvent
from projections.jobs.live_events import LiveEvent, Repetitions, live_events
from runtime.compat.nats_client import BusClient
from runtime.http.errors import HttpProblem
from runtime.process.repeating import repeating
from runtime.process.tasks import cancel_and_wait

logger = logging.getLogger("foldline.live")

_KEPT_BYTES: Final = 16 << 20
_MORE_WAITING: Final = 1_000  # events a reader may be behind, beside those kept for who comes back
_PAUSE: Final = 0.5
_REST_S: Final = 60.0  # without readers, until the stream is no longer read
_CATCHING_UP: Final = 8  # readers that read the stream by themselves

Wanted = Callable[[LiveEvent], bool]


class TooSlow(Exception):
    """A reader does not take its events."""


class Resync(Exception):
    """The place a reader asks for is no longer kept, or never was; `next` is the first that can be had."""

    def __init__(self, next_: int) -> None:
        super().__init__(next_)
        self.next = next_


class Subscriber:
    """One reader's events that it has not taken yet."""

    def __init__(self, wanted: Wanted, after: int, most: int) -> None:
        self.wanted = wanted
        self.after = after
        self._most = most
        self.waiting: deque[LiveEvent] = deque()
        self.lost = False
        self._more = asyncio.Event()

    def put(self, event: LiveEvent) -> None:
        """One more; a reader that is too far behind is lost."""
        if event.sequence <= self.after or not self.wanted(event):
            return
        if len(self.waiting) >= self._most:
            self.lost = True
        else:
            self.waiting.append(event)
        self._more.set()

    async def take(self, timeout: float) -> list[LiveEvent]:
        """What is there, nothing after `timeout` seconds. Raises TooSlow."""
        if not self.waiting and not self.lost:
            self._more.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._more.wait()
            except TimeoutError:
                return []
        if self.lost:
            raise TooSlow
        return self.taken()

    def taken(self) -> list[LiveEvent]:
        """What is there now."""
        taken = list(self.waiting)
        self.waiting.clear()
        return taken


class Live:
    """The events of one stream, read once for everybody, and only while somebody reads.

    `run` lets readers in for the length of a block.
    """

    def __init__(self, nc: BusClient, reader: Reader, stream: str) -> None:
        self._nc = nc
        self._reader = reader
        self._stream = stream
        self._repetitions = Repetitions()
        self._subscribers: set[Subscriber] = set()
        self._kept: deque[LiveEvent] = deque()
        self._kept_bytes = 0
        self._most_kept = reader.settings.live_events
        self._first = 0  # every event from this sequence on is kept, or does not count
        self._reached = 0
        self._catching_up = asyncio.Semaphore(_CATCHING_UP)
        self._tailing: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()  # whether the stream is read
        self._readers = 0
        self._alone_since = 0.0

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """What follows the stream for them rests a while after the last one left, and ends with the block."""
        async with repeating(self._rest, every=_REST_S / 4, first=_REST_S):
            try:
                yield
            finally:
                if self._tailing is not None:
                    await cancel_and_wait(self._tailing)

    async def events(
        self, wanted: Wanted, after: int | None, *, silence: float
    ) -> AsyncGenerator[list[LiveEvent], None]:
        """Events in order, each once, behind the sequence `after` or from now on; empty after `silence` s.

        What comes first, maybe empty, says that nothing is missed from here on. Raises Resync before that,
        TooSlow when the reader does not keep up, StreamUnavailable.
        """
        self._readers += 1
        subscriber: Subscriber | None = None
        try:
            await self._begin()
            most = self._most_kept + _MORE_WAITING
            subscriber = Subscriber(wanted, self._reached if after is None else after, most)
            if await self._is_kept(subscriber.after):
                self._join(subscriber)
                yield subscriber.taken()
            else:
                async for earlier in self._earlier(subscriber):
                    yield earlier
            while True:
                yield await subscriber.take(silence)
        finally:
            self._readers -= 1
            self._alone_since = asyncio.get_running_loop().time()
            if subscriber is not None:
                self._subscribers.discard(subscriber)

    async def _begin(self) -> None:
        """Follow the stream from its present end, if nobody does."""
        async with self._changing:
            if self._tailing is None:
                _, last = await self._ends()
                self._kept.clear()
                self._kept_bytes = 0
                self._first, self._reached = last + 1, last
                self._tailing = asyncio.create_task(self._tail())

    async def _rest(self) -> None:
        async with self._changing:
            alone = asyncio.get_running_loop().time() - self._alone_since
            if self._tailing is not None and not self._readers and alone > _REST_S:
                await cancel_and_wait(self._tailing)
                self._tailing = None

    async def _is_kept(self, after: int) -> bool:
        """Whether nothing has to be read for a reader that was at `after`. Raises Resync."""
        if after <= self._reached and after + 1 >= self._first:
            return True
        first, last = await self._ends()
        if not first - 1 <= after <= last:
            raise Resync(first)
        return after + 1 >= self._first

    def _join(self, subscriber: Subscriber) -> None:
        """From here on it gets what everybody gets. Nothing may be awaited since it was found ready."""
        for event in self._behind(subscriber.after):
            subscriber.put(event)
        self._subscribers.add(subscriber)

    async def _earlier(self, subscriber: Subscriber) -> AsyncGenerator[list[LiveEvent], None]:
        """What came before the events that are kept, read for one reader, until it can join."""
        async with (
            self._catching_up,
            aclosing(tail_stream(self._nc, self._stream, subscriber.after)) as reading,
        ):
            async for events in reading:
                yield [event for event in await self._shown(events) if subscriber.wanted(event)]
                subscriber.after = events[-1].sequence
                if subscriber.after + 1 >= self._first:
                    self._join(subscriber)
                    return

    def _behind(self, after: int) -> list[LiveEvent]:
        kept = list(self._kept)
        return kept[bisect_right(kept, after, key=lambda event: event.sequence) :]

    async def _tail(self) -> None:
        while True:
            try:
                async with aclosing(tail_stream(self._nc, self._stream, self._reached)) as reading:
                    async for events in reading:
                        for event in await self._shown(events):
                            self._keep(event)
                            for subscriber in self._subscribers:
                                subscriber.put(event)
                        self._reached = events[-1].sequence
            except Exception:  # our own bug: readers wait, and get everything later
                logger.exception("live events of %s: cannot go on behind %d", self._stream, self._reached)
                await asyncio.sleep(_PAUSE)

    def _keep(self, event: LiveEvent) -> None:
        self._kept.append(event)
        self._kept_bytes += len(event.data)
        while len(self._kept) > self._most_kept or self._kept_bytes > _KEPT_BYTES:
            gone = self._kept.popleft()
            self._kept_bytes -= len(gone.data)
            self._first = gone.sequence + 1

    async def _shown(self, events: Sequence[RawEvent]) -> list[LiveEvent]:
        """Valid ones, without repetitions. Waits for PostgreSQL, which knows the ids of seven days."""
        found = live_events(events)
        dedup_keys = [dedup_key for _, _, dedup_key in found if dedup_key is not None]
        known = {}
        while dedup_keys:
            try:
                known = await self._reader.read(lambda conn: self._repetitions.first_uses(conn, dedup_keys))
                break
            except HttpProblem as exc:
                logger.info("live events wait: %s", exc)
                await asyncio.sleep(_PAUSE)
        return [
            live
            for raw, live, dedup_key in found
            if dedup_key is None or not self._repetitions.is_repetition(raw, dedup_key, known)
        ]

    async def _ends(self) -> tuple[int, int]:
        """First and last sequence of the stream. Raises StreamUnavailable."""
        info = await stream_info(self._nc, self._stream)
        return int(info["state"]["first_seq"]), int(info["state"]["last_seq"])
