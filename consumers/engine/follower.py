"""A follower: reads the partitions it holds from checkpoint to head and hands batches to its handler.

One per projection and per following reactor in a process.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import psycopg

from consumers.engine.buffer import Buffer
from consumers.engine.connections import Connections
from consumers.engine.leases import Fenced, Leases, Moved
from consumers.engine.linger import Pace
from consumers.engine.parking import Stopped
from consumers.engine.readers import Readers
from line.identity import changes
from line.problems import StreamUnavailable
from line.progress import announce
from line.raw_event import RawEvent
from runtime import metrics
from runtime.compat.nats_client import BusClient
from runtime.database.connections import Connection
from runtime.process.tasks import end
from runtime.settings import Settings
from schemas.streams import Stream

logger = logging.getLogger("foldline.follower")

_SLOWEST_RETRY: Final = 5.0
_LARGE: Final = 1_000  # events of a batch: PostgreSQL takes long enough for them
_SLICE: Final = 50  # events until others on the loop have their turn
_SLICE_BYTES: Final = 256 << 10  # more than that: one by one
_AHEAD: Final = 3  # batches that are decoded before their turn: the rows of a large transaction take long
_AHEAD_BYTES: Final = 16 << 20  # decoded they take several times as much
_GLANCE_S: Final = 0.002
_PATIENCE: Final = 5.0  # what stopping waits for a batch, and for the leases to be given up


More = Callable[[], Sequence[RawEvent]]
"""Another batch for the transaction under way, of partitions held now; empty: this was the last one."""


def no_more() -> Sequence[RawEvent]:
    """Each batch has a transaction of its own."""
    return ()


class NotYet(RuntimeError):
    """A handler cannot act now: the batch is tried again after a pause."""


class OtherLine(RuntimeError):
    """The line is not the one that was folded; an operator has to decide."""


class Handler(Protocol):
    """What to do with events. `apply` commits them together with their checkpoints, or raises."""

    @property
    def name(self) -> str:
        """The follower's name in leases, metrics and logs."""

    @property
    def version(self) -> int | None:
        """Of what it folds: only leases of that version are taken."""

    @property
    def streams(self) -> tuple[Stream, ...]:
        """What it reads."""

    @property
    def linger(self) -> float:
        """How long a batch may wait for more events while they keep coming, seconds."""

    def anticipate(self, event: RawEvent) -> None:
        """Do what can be done before the event's turn, which may come late, or never."""

    async def apply(
        self, writer: Connection, events: Sequence[RawEvent], leases: Leases, more: More = no_more
    ) -> None:
        """Take effect once. Events come in the order of their partition; the last statement fences.

        The epochs must be noted before the first await: later ones may belong to other leases. A handler may
        ask for `more` as often as it likes; whatever it was given becomes effective together.
        """

    def forget(self) -> None:
        """Drop whatever is remembered: events may come again from the checkpoints."""


class Follower:
    """Runs one handler over the partitions leased to this process, until `stop`.

    Three loops: one renews leases and must never wait for a batch; one applies batches; one opens and closes
    readers and gives up partitions, between two batches. Locks are taken in the order `_turn`, `_leasing`.
    `replicas`: of this follower there are going to be so many.
    """

    def __init__(
        self, handler: Handler, nc: BusClient, settings: Settings, owner: str, *, replicas: int = 1
    ) -> None:
        self.handler = handler
        self.leases = Leases(
            handler.name,
            owner,
            settings.partitions,
            settings.lease_ttl,
            version=handler.version,
            replicas=replicas,
        )
        self.failure: str | None = None  # why the last batch or refresh failed; None when all is well
        self._nc = nc
        self._settings = settings
        self._buffer = Buffer(settings.buffer_events, settings.buffer_bytes)
        self._pace = Pace(handler.linger)
        self._readers = Readers(handler.name, nc, self._buffer, handler.streams, settings.partitions)
        self._connections = Connections(settings, handler.name)
        self._turn = asyncio.Lock()  # a batch is applied, leases are given up, or readers start
        self._leasing = asyncio.Lock()  # `held` is replaced
        self._surplus: set[int] = set()
        self._connected_at = time.monotonic()
        self._look_again_at = 0.0  # at the line, after it was found to be another one
        self._look_again = asyncio.Event()
        self._tend_again = asyncio.Event()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Follow until stopped; database and bus may come and go meanwhile."""
        loops = [asyncio.create_task(loop()) for loop in (self._renew, self._work, self._tend)]
        await self._stopping.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._turn.acquire(), _PATIENCE)  # the batch in hand is finished
        await end(*loops)
        await self._leave()

    def stop(self) -> None:
        """End `run` after the batch in hand, or when that takes too long, without it."""
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
            except Stopped as exc:
                await self._stop_partition(exc)
            except Exception as exc:
                # Our own bug: nothing is lost, nothing is skipped, and everybody is told.
                logger.exception("%s: cannot apply a batch", self.handler.name)
                await self._failed(exc)
            else:
                continue
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter
            pause = min(pause * 2, _SLOWEST_RETRY)

    async def _apply_one(self) -> None:
        writer = await self._connections.writer()
        await self._buffer.fill(self._settings.batch_events, self._readers.expecting, self._pace.linger)
        # No await from here to `_apply`: the handler first notes the epochs it folds under.
        events = self._take()
        self._pace.took(len(events), time.monotonic())
        asking = asyncio.create_task(self._readers.ask())
        if events:
            await self._apply(writer, _Taken(events))
        await asking

    def _take(self) -> Sequence[RawEvent]:
        held = self.leases.held
        return [event for event in self._buffer.take(self._settings.batch_events) if event.partition in held]

    async def _apply(self, writer: Connection, taken: "_Taken") -> None:
        name = self.handler.name
        started = time.perf_counter()
        asking: list[asyncio.Task[None]] = []

        def more() -> Sequence[RawEvent]:
            # As long as that many wait, and nobody waits for the end of this.
            if self._stopping.is_set() or self._surplus or len(self._buffer) < self._settings.batch_events:
                return ()
            events = self._take()
            asking[:] = [
                *(task for task in asking if not task.done()),
                asyncio.create_task(self._readers.ask()),
            ]
            taken.add(events)
            return events

        ahead = asyncio.create_task(self._anticipate()) if taken.number >= _LARGE else None
        try:
            await self.handler.apply(writer, taken.first, self.leases, more)
        finally:
            if ahead is not None:
                await end(ahead)
            await asyncio.gather(*asking)
        metrics.BATCH_SECONDS.labels(name).observe(time.perf_counter() - started)
        metrics.BATCH_EVENTS.labels(name).observe(taken.number)
        metrics.BUFFERED.labels(name).set(len(self._buffer))
        metrics.LAG_SECONDS.labels(name).set(max(0.0, time.time() - taken.stored_at.timestamp()))
        touched = taken.partitions & self.leases.held.keys()
        await announce(self._nc, name, {part: self.leases.held[part].sequences for part in touched})

    async def _anticipate(self) -> None:
        """While PostgreSQL works on one batch, the processor is free for the next ones."""
        buffer, most = self._buffer, _AHEAD * self._settings.batch_events
        while True:
            before = buffer.glanced_bytes
            full = buffer.glanced >= most or before >= _AHEAD_BYTES
            events = () if full else buffer.glance(_SLICE)
            pause = buffer.glanced_bytes - before > _SLICE_BYTES
            for event in events:
                try:
                    self.handler.anticipate(event)
                except Exception:  # noqa: S110 - told when it is the event's turn
                    pass
                if pause:
                    await asyncio.sleep(0)
            await asyncio.sleep(0 if events else _GLANCE_S)

    async def _renew(self) -> None:
        """Keep the leases, several times within their life."""
        while True:
            await self._guarded(self._refresh)
            await _wait(self._look_again, self._settings.lease_ttl / 5)

    async def _refresh(self) -> None:
        control, backend = await self._connections.control(), await self._connections.backend()
        if self._cut_off():
            await self._give_up_all(control)
            return
        async with self._leasing:
            moved = await self.leases.refresh(control, backend)
            # No await in between: a batch must not mix what was read under an old lease with a new one.
            self._drop(moved)
        self._surplus = moved.surplus
        metrics.PARTITIONS_HELD.labels(self.handler.name).set(len(self.leases.held))
        self._tend_again.set()

    def _cut_off(self) -> bool:
        """Whether NATS has been away for longer than a lease lasts: others may still reach it."""
        now = time.monotonic()
        if self._nc.is_connected:
            self._connected_at = now
        return now - self._connected_at > self._settings.lease_ttl

    async def _give_up_all(self, control: Connection) -> None:
        async with self._leasing:
            lost = set(self.leases.held)
            await self.leases.leave(control)
            self._drop(Moved(lost, set(), set()))

    def _drop(self, moved: Moved) -> None:
        if gone := moved.lost | moved.taken:
            logger.info("%s: holds %s", self.handler.name, sorted(self.leases.held))
            self._readers.give_up("the lease moved", gone)
            self.handler.forget()

    async def _tend(self) -> None:
        """Give up what is beyond the fair share; replace broken readers, open missing ones."""
        while True:
            await self._guarded(self._release_surplus)
            await self._guarded(self._read)
            await _wait(self._tend_again, self._settings.lease_ttl / 5)

    async def _release_surplus(self) -> None:
        if self._surplus:
            control = await self._connections.control()
            async with self._turn, self._leasing:
                surplus, self._surplus = self._surplus & self.leases.held.keys(), set()
                await self.leases.release(control, surplus)
                self._drop(Moved(surplus, set(), set()))

    async def _read(self) -> None:
        self._readers.check()
        await self._readers.close_unwanted(self.leases.held)
        if self._readers.missing(self.leases.held):
            if not await self._is_our_line():
                return
            async with self._turn:  # checkpoints must not move while readers start at them
                await self._readers.open_missing(self.leases.held)

    async def _is_our_line(self) -> bool:
        """Whether readers may start now: on another line than the one that was folded they wait for ever.

        Raises OtherLine, ConnectionError.
        """
        if not self._nc.is_connected or time.monotonic() < self._look_again_at:
            return False
        parts = sorted({part for _, part in self._readers.missing(self.leases.held)})
        control = await self._connections.control()
        try:
            found = await changes(self._nc, control, follower=self.handler.name, parts=parts)
        except StreamUnavailable as exc:
            raise ConnectionError(str(exc)) from exc
        if found:
            self._look_again_at = time.monotonic() + _SLOWEST_RETRY
            raise OtherLine("; ".join(map(str, found)))
        return True

    async def _guarded(self, act: Callable[[], Awaitable[None]]) -> None:
        """A loop goes on whatever happens; what happened is told."""
        try:
            await act()
        except (psycopg.Error, OSError, OtherLine) as exc:
            self._report(exc)
        except Exception as exc:
            logger.exception("%s: cannot look after leases and readers", self.handler.name)
            self._report(exc)

    async def _stop_partition(self, stopped: Stopped) -> None:
        logger.error("%s: partition %d %s", self.handler.name, stopped.partition, stopped)
        with contextlib.suppress(psycopg.Error, OSError):  # not written down: it stops once more
            control = await self._connections.control()
            async with self._leasing:
                await self.leases.stop(control, stopped.partition, str(stopped))
        await self._failed(stopped)

    async def _failed(self, exc: Exception) -> None:
        """Forget everything in memory; the checkpoints in PostgreSQL say where to go on."""
        self._report(exc)
        metrics.FAILURES.labels(self.handler.name).inc()
        if isinstance(exc, psycopg.errors.FeatureNotSupported):
            await self._connections.renew_writer()
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

    async def _leave(self) -> None:
        """Stop reading and give everything up, if the servers still listen."""
        await self._readers.close()
        with contextlib.suppress(psycopg.Error, OSError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self.leases.leave(await self._connections.control())
        await self._connections.close()


class _Taken:
    """What one transaction has taken of the buffer, without the events themselves."""

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


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Until the event or the time, whichever comes first; the event is used up."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    event.clear()
