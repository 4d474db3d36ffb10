"""The live stream: the events of one stream, read once for all subscribers."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Final

from api.jobs.recent_events import RecentEvents
from api.jobs.subscriber import Subscriber, Wanted
from api.reading.reader import Reader
from line.jetstream import stream_info
from line.live_tail import tail_stream
from line.pull_consumer import start_after
from line.raw_event import RawEvent
from projections.jobs.live_events import LiveEvent, Repetitions, live_events
from runtime.compat.nats_client import BusClient
from runtime.http.errors import HttpProblem
from runtime.process.repeating import repeating
from runtime.process.tasks import cancel_and_wait

logger = logging.getLogger("foldline.live")

_MORE_WAITING: Final = 1_000  # events a subscriber may be behind, beside the recent ones
_PAUSE_S: Final = 0.5
_REST_S: Final = 60.0  # without subscribers, until the stream is no longer read
_CATCHING_UP: Final = 8  # subscribers that read the stream by themselves


class Resync(Exception):
    """The stream does not hold what follows the asked sequence; `next` is the first sequence it does hold."""

    def __init__(self, next_: int) -> None:
        super().__init__(next_)
        self.next = next_


class LiveFanout:
    """Reads a stream while there are subscribers, and hands each event to all of them.

    `run` admits subscribers for the length of a block.
    """

    def __init__(self, nc: BusClient, reader: Reader, stream: str) -> None:
        self._nc = nc
        self._reader = reader
        self._stream = stream
        self._repetitions = Repetitions()
        self._subscribers: set[Subscriber] = set()
        self._recent = RecentEvents(reader.settings.live_events)
        self._most_waiting = reader.settings.live_events + _MORE_WAITING
        self._reached = 0  # the last sequence read
        self._catching_up = asyncio.Semaphore(_CATCHING_UP)
        self._tailing: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()  # whether the stream is read
        self._clients = 0
        self._alone_since = 0.0

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Stop reading the stream a while after the last subscriber left, and at the end of the block."""
        async with repeating(self._rest, every=_REST_S / 4, first=_REST_S):
            try:
                yield
            finally:
                if self._tailing is not None:
                    await cancel_and_wait(self._tailing)

    async def events(
        self, wanted: Wanted, after: int | None, *, silence: float
    ) -> AsyncGenerator[list[LiveEvent], None]:
        """Yield events in order, each once: behind the sequence `after`, or from now on.

        The first list, maybe empty, says that nothing is missed from here on; later an empty one means that
        nothing came for `silence` seconds. Raises Resync before the first, TooSlow when the client does not
        keep up, StreamUnavailable.
        """
        self._clients += 1
        subscriber: Subscriber | None = None
        try:
            await self._begin()
            subscriber = Subscriber(wanted, self._reached if after is None else after, self._most_waiting)
            if await self._is_recent(subscriber.after):
                self._join(subscriber)
                yield subscriber.take_now()
            else:
                async for earlier in self._catch_up(subscriber):
                    yield earlier
            while True:
                yield await subscriber.take(silence)
        finally:
            self._clients -= 1
            self._alone_since = asyncio.get_running_loop().time()
            if subscriber is not None:
                self._subscribers.discard(subscriber)

    async def _begin(self) -> None:
        """Read the stream from its present end, unless it is read already."""
        async with self._changing:
            if self._tailing is None:
                _, last = await self._ends()
                self._recent.start(last + 1)
                self._reached = last
                self._tailing = asyncio.create_task(self._tail())

    async def _rest(self) -> None:
        async with self._changing:
            alone = asyncio.get_running_loop().time() - self._alone_since
            if self._tailing is not None and not self._clients and alone > _REST_S:
                await cancel_and_wait(self._tailing)
                self._tailing = None

    async def _is_recent(self, after: int) -> bool:
        """Whether a client that was at `after` can be served from memory. Raises Resync."""
        if after <= self._reached and after + 1 >= self._recent.first:
            return True
        first, last = await self._ends()
        if not first - 1 <= after <= last:
            raise Resync(first)
        return after + 1 >= self._recent.first

    def _join(self, subscriber: Subscriber) -> None:
        """Hand over the recent events, and all to come. Nothing may be awaited since it was found recent."""
        for event in self._recent.after(subscriber.after):
            subscriber.put(event)
        self._subscribers.add(subscriber)

    async def _catch_up(self, subscriber: Subscriber) -> AsyncGenerator[list[LiveEvent], None]:
        """Yield what came before the recent events, read for one subscriber, until it can join."""
        async with (
            self._catching_up,
            aclosing(tail_stream(self._nc, self._stream, start_after(subscriber.after))) as reading,
        ):
            async for events in reading:
                yield [event for event in await self._shown(events) if subscriber.wanted(event)]
                subscriber.after = events[-1].sequence
                if subscriber.after + 1 >= self._recent.first:
                    self._join(subscriber)
                    return

    async def _tail(self) -> None:
        while True:
            try:
                async with aclosing(
                    tail_stream(self._nc, self._stream, start_after(self._reached))
                ) as reading:
                    async for events in reading:
                        for event in await self._shown(events):
                            self._recent.append(event)
                            for subscriber in self._subscribers:
                                subscriber.put(event)
                        self._reached = events[-1].sequence
            except Exception:  # our own bug: subscribers wait, and get everything later
                logger.exception("%s: reading live events failed after %d", self._stream, self._reached)
                await asyncio.sleep(_PAUSE_S)

    async def _shown(self, events: Sequence[RawEvent]) -> list[LiveEvent]:
        """The valid events without repetitions. Waits for PostgreSQL, which knows the ids of seven days."""
        found = live_events(events)
        dedup_keys = [dedup_key for _, _, dedup_key in found if dedup_key is not None]
        known = {}
        while dedup_keys:
            try:
                known = await self._reader.read(lambda conn: self._repetitions.uses(conn, dedup_keys))
                break
            except HttpProblem as exc:
                logger.info("live events wait for the read model: %s", exc)
                await asyncio.sleep(_PAUSE_S)
        return [
            live
            for raw, live, dedup_key in found
            if dedup_key is None or not self._repetitions.is_repetition(raw, dedup_key, known)
        ]

    async def _ends(self) -> tuple[int, int]:
        """First and last sequence of the stream. Raises StreamUnavailable."""
        info = await stream_info(self._nc, self._stream)
        return int(info["state"]["first_seq"]), int(info["state"]["last_seq"])
