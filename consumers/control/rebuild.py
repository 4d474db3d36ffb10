"""Rebuild: a projection is folded from the start of the line into a new generation, which then becomes live.

Readers and live consumers go on throughout. A rebuild can be ended at any time and started again: what was
built so far is kept, in PostgreSQL as everything.
"""

import asyncio
import logging
from dataclasses import replace
from typing import Any, Final

from nats.aio.client import Client

from consumers.control.building_generation import begin_building, put_back_old
from consumers.control.loss import refuse_cut, refuse_loss
from consumers.control.projection_lock import projection_lock
from consumers.control.rebuild_progress import Phase, ProgressMeter, RebuildProgress, ReportProgress
from consumers.control.swap import Swap, SwapPostponed, is_caught_up_for_swap
from consumers.control.worker import Assignment
from consumers.control.workers import Workers, running_workers
from line.aging import read_aging
from line.checkpoints import checkpoints, is_caught_up
from line.identity import check_identity
from line.lost_facts import accept_loss as give_up_lost
from line.problems import StreamUnavailable
from projections.generations import Role, generations, name_of
from projections.projection import Projection
from runtime.database.connections import Connection
from runtime.problems import Problem
from runtime.process.tasks import raise_if_cancelled
from runtime.settings.database import FoldSettings

logger = logging.getLogger("foldline.rebuild")

_POLL_S: Final = 0.5


class RebuildCancelled(Problem):
    """Somebody asked the rebuild to stop; what was built is kept."""


async def rebuild(
    projection: Projection[Any, Any],
    config: FoldSettings,
    nc: Client,
    *,
    report: ReportProgress = lambda _: None,
    anew: bool = False,
    put_back: bool = False,
    accept_loss: bool = False,
) -> RebuildProgress:
    """Build a generation and make it the live one; returns the last reading.

    A rebuild that was begun before goes on, unless `anew`. `put_back` begins with the old generation instead.
    Raises Problem if another process rebuilds or verifies already, if there is nothing to put back, or if the
    line is another one; WouldLose, unless `accept_loss`, if entities would be lost that no retention has
    removed; RebuildCancelled when asked to stop.
    """
    async with projection_lock(config, projection.name, "rebuild") as conn:
        await check_identity(nc, conn, closely=False)
        carried = 0
        if not accept_loss:
            await refuse_cut(nc, conn, projection, config.partitions)
        if put_back:
            await put_back_old(conn, projection)
        else:
            aging = await read_aging(nc, projection.streams)
            carried = await begin_building(conn, projection, config, aging, anew=anew)
        last = await _Rebuild(projection, config, nc, conn, report).run(accept_loss=accept_loss)
        if accept_loss:
            await give_up_lost(nc, conn, projection.streams)
        return replace(last, carried=carried)


class _Rebuild:
    """One run of a rebuild: watches the workers that fold, then performs the swap."""

    def __init__(
        self,
        projection: Projection[Any, Any],
        config: FoldSettings,
        nc: Client,
        conn: Connection,
        report: ReportProgress,
    ) -> None:
        self._projection = projection
        self._config = config
        self._nc = nc
        self._conn = conn
        self._report = report
        self._swap = Swap(projection, nc, config)
        follower = name_of(projection.name, Role.BUILDING)
        self._meter = ProgressMeter(nc, projection.name, follower, projection.streams)

    async def run(self, *, accept_loss: bool) -> RebuildProgress:
        assignment = Assignment(projection=self._projection.name, role=Role.BUILDING)
        async with running_workers(assignment, self._config, self._config.rebuild_workers) as workers:
            await self._fold(workers)
            if not accept_loss:
                await self._refuse_loss(workers)
            await self._swap.prepare(self._conn)
            await self._switch(workers)
            return await self._take_reading("done")

    async def _fold(self, workers: Workers) -> None:
        """Wait until so little is left that live batches may wait for it."""
        before = -1
        while True:
            await workers.replace_dead()
            now = await self._take_reading("folding")
            if self._meter.exact and is_caught_up_for_swap(now):
                return
            if now.events > before:
                workers.forgive_deaths()
            before = now.events
            await asyncio.sleep(_POLL_S)

    async def _refuse_loss(self, workers: Workers) -> None:
        """Compare with what the live generation has by now, once all of it is folded. Raises WouldLose."""
        live = await checkpoints(self._conn, self._projection.name)
        building = name_of(self._projection.name, Role.BUILDING)
        while True:
            try:
                if await is_caught_up(self._nc, await checkpoints(self._conn, building), live):
                    return await refuse_loss(
                        self._nc, self._conn, self._projection, self._config.partitions, live
                    )
            except StreamUnavailable as exc:
                logger.warning("%s: the rebuild waits for NATS: %s", self._projection.name, exc)
            await workers.replace_dead()
            await self._take_reading("folding")
            await asyncio.sleep(_POLL_S)

    async def _switch(self, workers: Workers) -> None:
        while True:
            await workers.replace_dead()
            try:
                await self._swap.perform(self._conn)
            except SwapPostponed as exc:
                logger.info(
                    "%s: the new generation is not live yet, trying again: %s", self._projection.name, exc
                )
                await self._take_reading("switching")
                await asyncio.sleep(_POLL_S)
            else:
                return

    async def _take_reading(self, phase: Phase) -> RebuildProgress:
        """Report the progress, once the line can be asked for it. Raises RebuildCancelled before the end."""
        await self._stop_if_cancelled(phase)
        while True:
            if phase != "done":
                raise_if_cancelled()
            try:
                now = await self._meter.read(self._conn, phase)
            except StreamUnavailable as exc:  # the line is away: the workers wait for it, too
                logger.warning("%s: the rebuild waits for NATS: %s", self._projection.name, exc)
                await asyncio.sleep(_POLL_S)
            else:
                self._report(now)
                return now

    async def _stop_if_cancelled(self, phase: Phase) -> None:
        name = self._projection.name
        building = (await generations(self._conn, name)).get(Role.BUILDING)
        if phase != "done" and (building is None or building.cancelled):
            raise RebuildCancelled(
                f"the rebuild of {name} was cancelled; what was built is kept: `foldline rebuild {name}` "
                f"goes on with it, `foldline drop {name} building` throws it away"
            )
