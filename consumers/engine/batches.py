"""Batches: what has arrived for the partitions held, handed to the handler one transaction at a time."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from consumers.engine.handler import Handler
from consumers.engine.linger import Linger
from consumers.engine.partitions import Partitions
from line.progress import announce
from line.raw_event import RawEvent
from runtime import metrics
from runtime.compat.nats_client import BusClient
from runtime.database.connections import Connection
from runtime.process.tasks import cancel_and_wait
from runtime.settings.database import FoldSettings

_LARGE: Final = 1_000  # events of a batch: PostgreSQL takes long enough for them
_SLICE: Final = 50  # events until others on the loop have their turn
_SLICE_BYTES: Final = 256 << 10  # more than that: one by one
_AHEAD: Final = 3  # batches that are decoded before their turn: the rows of a large transaction take long
_AHEAD_BYTES: Final = 16 << 20  # decoded they take several times as much
_PEEK_S: Final = 0.002


class Batches:
    """Fills a batch, has it applied, announces how far each partition is now."""

    def __init__(
        self,
        handler: Handler,
        partitions: Partitions,
        nc: BusClient,
        settings: FoldSettings,
        stopping: asyncio.Event,
    ) -> None:
        self._handler = handler
        self._partitions = partitions
        self._buffer = partitions.buffer
        self._readers = partitions.readers
        self._leases = partitions.leases
        self._nc = nc
        self._most = settings.batch_events
        self._linger = Linger(handler.linger)
        self._stopping = stopping

    async def wait(self) -> None:
        """Wait until there is at least one event."""
        await self._buffer.wait()

    async def apply_next(self, writer: Connection) -> None:
        """Apply the next batch. Raises what the handler raises; then nothing of it is committed."""
        await self._buffer.fill(self._most, self._readers.expecting, self._linger.seconds)
        # No await from here to `_apply`: the handler first notes the epochs it folds under.
        events = self._take()
        self._linger.note_batch(len(events), time.monotonic())
        asking = asyncio.create_task(self._readers.ask())
        if events:
            await self._apply(writer, _Taken(events))
        await asking

    def _take(self) -> Sequence[RawEvent]:
        held = self._leases.held
        return [event for event in self._buffer.take(self._most) if event.partition in held]

    async def _apply(self, writer: Connection, taken: "_Taken") -> None:
        name = self._handler.name
        started = time.perf_counter()
        asking: list[asyncio.Task[None]] = []

        def more() -> Sequence[RawEvent]:
            # As long as that many wait, and nobody waits for the end of this.
            if self._stopping.is_set() or self._partitions.surplus or len(self._buffer) < self._most:
                return ()
            events = self._take()
            asking[:] = [
                *(task for task in asking if not task.done()),
                asyncio.create_task(self._readers.ask()),
            ]
            taken.add(events)
            return events

        ahead = asyncio.create_task(self._prefetch()) if taken.number >= _LARGE else None
        try:
            await self._handler.apply(writer, taken.first, self._leases, more)
        finally:
            if ahead is not None:
                await cancel_and_wait(ahead)
            await asyncio.gather(*asking)
        metrics.BATCH_SECONDS.labels(name).observe(time.perf_counter() - started)
        metrics.BATCH_EVENTS.labels(name).observe(taken.number)
        metrics.BUFFERED.labels(name).set(len(self._buffer))
        metrics.LAG_SECONDS.labels(name).set(max(0.0, time.time() - taken.stored_at.timestamp()))
        touched = taken.partitions & self._leases.held.keys()
        reached = {part: self._leases.held[part].sequences for part in touched}
        await announce(self._nc, name, reached, self._handler.take_rejected())

    async def _prefetch(self) -> None:
        """Prepare the next batches while PostgreSQL works on this one and the processor is free."""
        buffer, most = self._buffer, _AHEAD * self._most
        while True:
            before = buffer.peeked_bytes
            full = buffer.peeked >= most or before >= _AHEAD_BYTES
            events = () if full else buffer.peek(_SLICE)
            pause = buffer.peeked_bytes - before > _SLICE_BYTES
            for event in events:
                try:
                    self._handler.prefetch(event)
                except Exception:  # noqa: S110 - told when it is the event's turn
                    pass
                if pause:
                    await asyncio.sleep(0)
            await asyncio.sleep(0 if events else _PEEK_S)


class _Taken:
    """Number, partitions and age of the events that one transaction has taken from the buffer."""

    def __init__(self, first: Sequence[RawEvent]) -> None:
        self.first = first
        self.number = 0
        self.partitions: set[int] = set()
        self.add(first)

    def add(self, events: Sequence[RawEvent]) -> None:
        if events:
            self.number += len(events)
            self.partitions.update([event.partition for event in events])
            self.stored_at = events[-1].stored_at
