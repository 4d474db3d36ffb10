"""A follower: keeps its share of the partitions, and hands what arrives to its handler, batch by batch.

There is one per projection and per following reactor in a process. A batch goes from here through `batches`
and `projector`, which has it decoded (`batch`), to `transaction`, which has it folded (`folding`) and written
(`writing`).
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final

import psycopg

from consumers.engine.batches import Batches
from consumers.engine.connections import Connections
from consumers.engine.handler import Handler, NotYet
from consumers.engine.leases import Fenced, Leases
from consumers.engine.parking import Stopped
from consumers.engine.partitions import OtherLine, Partitions
from runtime import metrics
from runtime.compat.nats_client import BusClient
from runtime.process.tasks import cancel_and_wait
from runtime.settings.database import FoldSettings

logger = logging.getLogger("foldline.follower")

_FIRST_RETRY: Final = 0.1
_SLOWEST_RETRY: Final = 5.0
_PATIENCE: Final = 5.0  # what stopping waits for a batch


class Follower:
    """Runs one handler over the partitions leased to this process, until `stop`.

    Three loops: one renews leases and must never wait for a batch; one applies batches; one opens and closes
    readers and gives up partitions, between two batches. `replicas`: how many replicas are expected.
    """

    def __init__(
        self, handler: Handler, nc: BusClient, settings: FoldSettings, owner: str, *, replicas: int = 1
    ) -> None:
        self.handler = handler
        self.failure: str | None = None  # why the last batch or refresh failed; None when all is well
        self.leases = Leases(
            handler.name,
            owner,
            settings.partitions,
            settings.lease_ttl,
            version=handler.version,
            replicas=replicas,
        )
        self._connections = Connections(settings, handler.name)
        self._partitions = Partitions(handler, self.leases, self._connections, nc, settings)
        self._stopping = asyncio.Event()
        self._batches = Batches(handler, self._partitions, nc, settings, self._stopping)
        self._every = settings.lease_ttl / 5  # several times within the life of a lease

    async def run(self) -> None:
        """Follow until stopped; database and bus may come and go meanwhile."""
        loops = [asyncio.create_task(loop()) for loop in (self._renew, self._apply, self._maintain_readers)]
        await self._stopping.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(
                self._partitions.turn.acquire(), _PATIENCE
            )  # the batch in hand is finished
        await cancel_and_wait(*loops)
        await self._partitions.leave()
        await self._connections.close()

    def stop(self) -> None:
        """End `run` after the batch in hand, or when that takes too long, without it."""
        self._stopping.set()

    async def _apply(self) -> None:
        """Apply batch after batch. What fails is tried again from the checkpoints, after growing pauses."""
        pause = _FIRST_RETRY
        while True:
            await self._batches.wait()
            try:
                async with self._partitions.turn:
                    await self._batches.apply_next(await self._connections.writer())
                pause = _FIRST_RETRY
                self.failure = None
            except (psycopg.Error, OSError, Fenced, NotYet) as exc:
                await self._start_over(exc)
            except Stopped as exc:
                await self._stop_partition(exc)
            except Exception as exc:
                # Our own bug: nothing is lost, nothing is skipped, and everybody is told.
                logger.exception("%s: cannot apply a batch", self.handler.name)
                await self._start_over(exc)
            else:
                continue
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter
            pause = min(pause * 2, _SLOWEST_RETRY)

    async def _renew(self) -> None:
        while True:
            await self._guarded(self._partitions.renew)
            await _wait(self._partitions.look_again, self._every)

    async def _maintain_readers(self) -> None:
        """Give up what is beyond the fair share; replace broken readers, open missing ones."""
        while True:
            await self._guarded(self._partitions.release_surplus)
            await self._guarded(self._partitions.maintain_readers)
            await _wait(self._partitions.moved, self._every)

    async def _guarded(self, act: Callable[[], Awaitable[None]]) -> None:
        """Let a loop go on whatever happens; what happened is reported."""
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
            await self._partitions.stop(stopped.partition, str(stopped))
        await self._start_over(stopped)

    async def _start_over(self, exc: Exception) -> None:
        self._report(exc)
        metrics.FAILURES.labels(self.handler.name).inc()
        if isinstance(exc, psycopg.errors.FeatureNotSupported):
            await self._connections.renew_writer()
        if isinstance(exc, Fenced):
            metrics.FENCED.labels(self.handler.name).inc()
        await self._partitions.start_over()

    def _report(self, exc: Exception) -> None:
        message = f"{type(exc).__name__}: {str(exc).strip().splitlines()[0] if str(exc).strip() else ''}"
        if message != self.failure:
            logger.warning("%s: %s", self.handler.name, message)
        self.failure = message


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event or the time, whichever comes first; the event is used up."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    event.clear()
