"""Rebuild: a projection is folded from the start of the line into a new generation, which then becomes live.

Readers and live consumers go on throughout. It can be ended at any time and started again: what was built so
far is kept, in PostgreSQL as everything.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Final

import psycopg
from nats.aio.client import Client

from consumers.control.rebuild_progress import Advance, Odometer, Phase
from consumers.control.swap import NotNow, Swap
from consumers.control.worker import Order
from consumers.control.workers import Workers, workers
from line.checkpoints import firsts
from line.identity import check_identity
from line.problems import StreamUnavailable
from projections.generations import (
    Role,
    become,
    cancel,
    create,
    drop,
    generations,
    lock_installation,
    move_leases,
    name_of,
)
from projections.projection import Projection
from runtime.database.connections import Connection, connect
from runtime.database.engine.queries import engine_queries
from runtime.problems import Problem
from runtime.process.tasks import heed_cancellation
from runtime.settings import Settings

logger = logging.getLogger("foldline.rebuild")

Report = Callable[[Advance], None]

_QUERIES: Final = engine_queries()
_POLL_S: Final = 0.5
_NEARLY_S: Final = 0.5  # as little work left as this is folded while live batches wait
_NEARLY_EVENTS: Final = 200


class Cancelled(Problem):
    """Somebody asked the rebuild to stop; what was built is kept."""


async def rebuild(
    projection: Projection[Any, Any],
    config: Settings,
    nc: Client,
    *,
    report: Report = lambda _: None,
    anew: bool = False,
    put_back: bool = False,
) -> Advance:
    """Build and swap; answers the last reading. One that was begun before goes on, unless `anew`.

    `put_back` begins with the generation kept from before. Raises Problem if another process builds already,
    if there is nothing to put back, when cancelled, or when the line is another one.
    """
    async with only_one(config, projection.name, "rebuild") as conn:
        await check_identity(nc, conn, closely=False)
        if put_back:
            await _take_back(conn, projection)
            carried = 0
        else:
            carried = await _prepare(
                conn, projection, config, await firsts(nc, projection.streams), anew=anew
            )
        return replace(await _Build(projection, config, nc, conn, report).run(), carried=carried)


async def drop_generation(config: Settings, projection: str, role: Role) -> bool:
    """Drop what is kept or half built; whether there was anything. Raises Problem while a rebuild runs."""
    async with only_one(config, projection, "drop") as conn, conn.transaction():
        await lock_installation(conn)
        found = role in await generations(conn, projection)
        await drop(conn, projection, role)
        return found


@asynccontextmanager
async def only_one(config: Settings, projection: str, what: str) -> AsyncIterator[Connection]:
    """A connection that holds the right to rebuild or verify a projection; it goes with the connection.

    Raises Problem if somebody else has it.
    """
    async with await connect(config, name=f"foldline-{what}") as conn:
        row = await (await conn.execute(_QUERIES["one-at-a-time"], {"name": projection})).fetchone()
        if row is None or not row[0]:
            raise Problem(f"a rebuild or verification of {projection} is already under way")
        try:
            yield conn
        finally:
            # PostgreSQL would do it a moment after the connection is closed: too late for who comes next.
            with suppress(psycopg.Error):
                await conn.execute(_QUERIES["no-longer"], {"name": projection})


async def under_way(conn: Connection, projection: str) -> bool:
    """Whether some process rebuilds or verifies a projection."""
    row = await (await conn.execute(_QUERIES["under-way"], {"name": projection})).fetchone()
    return bool(row and row[0])


async def _prepare(
    conn: Connection,
    projection: Projection[Any, Any],
    config: Settings,
    firsts_: Mapping[str, int],
    *,
    anew: bool,
) -> int:
    """A generation to fold; how many entities it takes over because the line is too young for them."""
    async with conn.transaction():
        await lock_installation(conn)
        begun = (await generations(conn, projection.name)).get(Role.BUILDING)
        if begun is not None and (anew or begun.version != projection.version):
            await drop(conn, projection.name, Role.BUILDING)
            begun = None
        if begun is None:
            await create(conn, projection, Role.BUILDING, config.partitions)
            built = projection.in_schema(name_of(projection.name, Role.BUILDING))
            return await built.carry(conn, projection.name, firsts_)
        await cancel(conn, projection.name, cancelled=False)
        return 0


async def _take_back(conn: Connection, projection: Projection[Any, Any]) -> None:
    """The old generation goes on from where it was left."""
    name = projection.name
    async with conn.transaction():
        await lock_installation(conn)
        found = await generations(conn, name)
        old = found.get(Role.OLD)
        if old is None:
            raise Problem(f"no generation of {name} from before is kept: there is nothing to put back")
        if old.version != projection.version:
            raise Problem(
                f"the generation of {name} from before is of version {old.version}, this program folds "
                f"version {projection.version}: run put-back with the program it belongs to"
            )
        if Role.BUILDING in found:
            await drop(conn, name, Role.BUILDING)
        await become(conn, name, Role.OLD, Role.BUILDING)
        await move_leases(conn, name, Role.OLD, Role.BUILDING)


class _Build:
    """One process's part in a rebuild: it watches the workers and performs the swap."""

    def __init__(
        self,
        projection: Projection[Any, Any],
        config: Settings,
        nc: Client,
        conn: Connection,
        report: Report,
    ) -> None:
        self._projection = projection
        self._config = config
        self._conn = conn
        self._report = report
        self._swap = Swap(projection, nc, config)
        follower = name_of(projection.name, Role.BUILDING)
        self._odometer = Odometer(nc, projection.name, follower, projection.streams)

    async def run(self) -> Advance:
        order = Order(projection=self._projection.name, role=Role.BUILDING)
        async with AsyncExitStack() as stack:
            team = await stack.enter_async_context(workers(order, self._config, self._config.rebuild_workers))
            await self._fold(team)
            await self._swap.prepare(self._conn)
            await self._switch(team)
            return await self._told("done")

    async def _fold(self, team: Workers) -> None:
        """Until so little is left that live batches may wait for it."""
        before = -1
        while True:
            await team.check()
            now = await self._told("folding")
            left = now.total - now.events
            if self._odometer.counted and left <= max(_NEARLY_EVENTS, now.rate * _NEARLY_S):
                return
            if now.events > before:
                team.worked()
            before = now.events
            await asyncio.sleep(_POLL_S)

    async def _switch(self, team: Workers) -> None:
        while True:
            await team.check()
            try:
                await self._swap.perform(self._conn)
            except NotNow as exc:
                logger.info("%s: not switched yet: %s", self._projection.name, exc)
                await self._told("switching")
                await asyncio.sleep(_POLL_S)
            else:
                return

    async def _told(self, phase: Phase) -> Advance:
        await self._stop_if_cancelled(phase)
        while True:
            if phase != "done":
                heed_cancellation()
            try:
                now = await self._odometer.read(self._conn, phase)
            except StreamUnavailable as exc:  # the line is away: the workers wait for it, too
                logger.warning("%s: %s", self._projection.name, exc)
                await asyncio.sleep(_POLL_S)
            else:
                self._report(now)
                return now

    async def _stop_if_cancelled(self, phase: Phase) -> None:
        building = (await generations(self._conn, self._projection.name)).get(Role.BUILDING)
        if phase != "done" and (building is None or building.cancelled):
            raise Cancelled(f"the rebuild of {self._projection.name} was cancelled")
