"""A follower: reads the partitions it holds from checkpoint to head and hands batches to its handler.

One per projection and per following reactor in a process. It owns two PostgreSQL connections: one writes
batches, the other looks after the leases, so that a long batch never costs a lease.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Sequence
from typing import Final, Protocol

import psycopg
from nats.aio.client import Client

from consumers.buffer import Buffer
from consumers.leases import NOBODY, Fenced, Leases, Moved, identify
from consumers.readers import Readers
from projections.recorded import RawEvent
from runtime import metrics, postgres
from runtime.postgres import Connection
from runtime.progress import announce
from runtime.settings import Settings
from schemas.streams import Stream

logger = logging.getLogger("foldline.follower")

_SLOWEST_RETRY: Final = 5.0


class NotYet(RuntimeError):
    """A handler cannot act now: the batch is tried again after a pause."""


class Handler(Protocol):
    """What to do with events. `apply` commits them together with their checkpoints, or raises."""

    @property
    def name(self) -> str:
        """The follower's name in leases, metrics and logs."""

    @property
    def streams(self) -> tuple[Stream, ...]:
        """What it reads."""

    async def apply(self, writer: Connection, events: Sequence[RawEvent], leases: Leases) -> None:
        """Take effect once. Events come in the order of their partition; the last statement fences.

        The epochs must be noted before the first await: later ones may belong to other leases.
        """

    def forget(self) -> None:
        """Drop whatever is remembered: events may come again from the checkpoints."""


class Follower:
    """Runs one handler over the partitions leased to this process, until `stop`."""

    def __init__(self, handler: Handler, nc: Client, settings: Settings, owner: str) -> None:
        self.handler = handler
        self.leases = Leases(handler.name, owner, settings.partitions, settings.lease_ttl)
        self.failure: str | None = None  # why the last batch or refresh failed; None when all is well
        self._nc = nc
        self._settings = settings
        self._buffer = Buffer(settings.buffer_events, settings.buffer_bytes)
        self._readers = Readers(handler.name, nc, self._buffer, handler.streams)
        self._turn = asyncio.Lock()  # held while a batch is applied or leases are given up
        self._leasing = asyncio.Lock()  # held while `held` is replaced
        self._connecting = asyncio.Lock()
        self._look_again = asyncio.Event()
        self._stopping = asyncio.Event()
        self._control: Connection | None = None
        self._writer: Connection | None = None
        self._backend = NOBODY

    async def run(self) -> None:
        """Follow until stopped; database and bus may come and go meanwhile."""
        looking_after = asyncio.create_task(self._look_after())
        working = asyncio.create_task(self._work())
        await self._stopping.wait()
        async with self._turn:  # the batch in hand is finished
            working.cancel()
            looking_after.cancel()
            await asyncio.gather(working, looking_after, return_exceptions=True)
            await self._leave()

    def stop(self) -> None:
        """End `run` after the batch in hand."""
        self._stopping.set()

    async def _work(self) -> None:
        pause = 0.1
        while True:
            await self._buffer.wait()
            try:
                async with self._turn:
                    await self._apply_one()
                pause = 0.1
                self.failure = None
            except (psycopg.Error, OSError, Fenced, NotYet) as exc:
                await self._failed(exc)
            except Exception as exc:
                # Our own bug: nothing is lost, nothing is skipped, and everybody is told.
                logger.exception("%s: cannot apply a batch", self.handler.name)
                await self._failed(exc)
            else:
                continue
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter
            pause = min(pause * 2, _SLOWEST_RETRY)

    async def _apply_one(self) -> None:
        writer = await self._connected()
        held = self.leases.held
        events = [
            event for event in self._buffer.take(self._settings.batch_events) if event.partition in held
        ]
        asking = asyncio.create_task(self._readers.ask())
        if events:
            # No await since `held` was looked at: the handler first notes the epochs it folds under.
            await self._apply(writer, events)
        await asking

    async def _apply(self, writer: Connection, events: Sequence[RawEvent]) -> None:
        name = self.handler.name
        started = time.perf_counter()
        await self.handler.apply(writer, events, self.leases)
        metrics.BATCH_SECONDS.labels(name).observe(time.perf_counter() - started)
        metrics.BATCH_EVENTS.labels(name).observe(len(events))
        metrics.BUFFERED.labels(name).set(len(self._buffer))
        metrics.LAG_SECONDS.labels(name).set(max(0.0, time.time() - events[-1].stored_at.timestamp()))
        touched = {event.partition for event in events} & self.leases.held.keys()
        await announce(self._nc, name, {part: self.leases.held[part].sequences for part in touched})

    async def _look_after(self) -> None:
        every = self._settings.lease_ttl / 5
        while True:
            try:
                await self._connected()
                await self._refresh()
            except (psycopg.Error, OSError) as exc:
                self._report(exc)
            except Exception as exc:
                logger.exception("%s: cannot look after leases", self.handler.name)
                self._report(exc)
            self._look_again.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look_again.wait(), every)

    async def _refresh(self) -> None:
        assert self._control is not None  # noqa: S101 - set by _connected
        async with self._leasing:
            moved = await self.leases.refresh(self._control, self._backend)
            # No await in between: a batch must not mix what was read under an old lease with a new one.
            self._drop(moved)
        metrics.PARTITIONS_HELD.labels(self.handler.name).set(len(self.leases.held))
        if moved.surplus:
            async with self._turn:
                await self.leases.release(self._control, moved.surplus)
                self._drop(Moved(moved.surplus, set(), set()))
        await self._read()

    def _drop(self, moved: Moved) -> None:
        if gone := moved.lost | moved.taken:
            logger.info("%s: holds %s", self.handler.name, sorted(self.leases.held))
            self._readers.give_up("the lease moved", gone)
            self.handler.forget()

    async def _read(self) -> None:
        """Close readers that broke or lost their lease, and open those that are missing."""
        self._readers.check()
        await self._readers.close_unwanted(self.leases.held)
        if self._readers.missing(self.leases.held):
            async with self._turn:  # checkpoints must not move while readers start at them
                await self._readers.open_missing(self.leases.held)

    async def _failed(self, exc: Exception) -> None:
        """Forget everything in memory; the checkpoints in PostgreSQL say where to go on."""
        self._report(exc)
        metrics.FAILURES.labels(self.handler.name).inc()
        if isinstance(exc, Fenced):
            metrics.FENCED.labels(self.handler.name).inc()
        async with self._leasing:  # a refresh under way would bring back what is forgotten here
            self.handler.forget()
            self.leases.held = {}  # taken again, with their checkpoints, by the next refresh
            self._readers.give_up("starting over")
        self._look_again.set()

    def _report(self, exc: Exception) -> None:
        message = f"{type(exc).__name__}: {str(exc).strip().splitlines()[0] if str(exc).strip() else ''}"
        if message != self.failure:
            logger.warning("%s: %s", self.handler.name, message)
        self.failure = message

    async def _connected(self) -> Connection:
        """The writing connection; both are made anew where broken."""
        async with self._connecting:
            return await self._connect()

    async def _connect(self) -> Connection:
        if self._control is None or self._control.closed or self._control.broken:
            self._control = await postgres.connect(
                self._settings, name=f"foldline {self.handler.name} leases"
            )
        if self._writer is None or self._writer.closed or self._writer.broken:
            self._writer = await postgres.connect(self._settings, name=f"foldline {self.handler.name}")
            self._backend = await identify(self._writer)
        return self._writer

    async def _leave(self) -> None:
        await self._readers.close()
        if self._control is not None and not self._control.closed:
            with contextlib.suppress(psycopg.Error):
                await self.leases.leave(self._control)
            await self._control.close()
        if self._writer is not None:
            await self._writer.close()
