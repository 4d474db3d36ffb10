"""Verify: the line is folded into a scratch schema up to the live checkpoints, and every row compared."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from nats.aio.client import Client

from consumers.control.compare import Difference, Side, compare, count
from consumers.control.rebuild import Report, only_one
from consumers.control.rebuild_progress import Odometer
from consumers.control.tolerated import Excuses
from consumers.control.worker import Order
from consumers.control.workers import workers
from line.checkpoints import Sequences, checkpoints, firsts, reached
from line.identity import check_identity
from projections.generations import Role, create, drop, generations, lock_installation, name_of, tables
from projections.projection import Projection
from projections.recorded import MESSAGE_ID_WINDOW
from runtime.database.connections import Connection, connect
from runtime.database.engine.queries import engine_queries
from runtime.problems import Problem
from runtime.process.tasks import heed_cancellation
from runtime.settings import Settings

logger = logging.getLogger("foldline.verify")

_QUERIES: Final = engine_queries()
_POLL_S: Final = 0.2
_LOCK_TIMEOUT: Final = "2s"
_LOCK_TRIES: Final = 10
_OWN: Final = frozenset({"generation"})


@dataclass(slots=True)
class Verification:
    """What was found. `rows`: table → rows compared; `differences` are the first ones of `total`."""

    projection: str
    position: str  # up to which the read model was checked, as a Foldline-Position
    carried: int = 0  # entities older than the line, which were not checked
    rows: dict[str, int] = field(default_factory=dict)
    total: int = 0
    differences: list[Difference] = field(default_factory=list)
    elapsed: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "projection": self.projection,
            "equal": self.total == 0,
            "position": self.position,
            "carried": self.carried,
            "rows": self.rows,
            "total": self.total,
            "differences": [difference.as_json() for difference in self.differences],
            "elapsed": round(self.elapsed, 1),
        }


async def verify(
    projection: Projection[Any, Any],
    config: Settings,
    nc: Client,
    *,
    report: Report = lambda _: None,
    limit: int = 1_000,
) -> Verification:
    """Compare the live read model with the line; at most `limit` differences are kept, all are counted.

    Raises Problem if a rebuild or another verification is under way, or the live version or the
    line is another one.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    async with only_one(config, projection.name, "verification") as conn:
        await check_identity(nc, conn, closely=False)
        version = (await generations(conn, projection.name))[Role.LIVE].version
        if version != projection.version:
            raise Problem(
                f"the live {projection.name} are of version {version}, this program folds version "
                f"{projection.version}: verify with the program that matches"
            )
        first = await firsts(nc, projection.streams)
        async with (
            _frozen(config, projection.name) as (there, live),
            _scratch(conn, projection, config, first) as carried,
        ):
            checking = _Checking(projection, config, nc, conn, carried)
            await checking.fold(live, report)
            found = await checking.compare(there, live, limit)
    found.elapsed = clock() - began
    return found


@asynccontextmanager
async def _frozen(config: Settings, projection: str) -> AsyncIterator[tuple[Connection, Sequences]]:
    """A connection that sees the read model exactly as of the checkpoints that come with it."""
    async with (
        await connect(config, name="foldline-verify") as there,
        await connect(config, name="foldline-verify-lock") as locking,
    ):
        await there.execute("begin isolation level repeatable read read only")
        live = await _snapshot(there, locking, projection)
        yield there, live
        await there.execute("rollback")


async def _snapshot(there: Connection, locking: Connection, projection: str) -> Sequences:
    for _ in range(_LOCK_TRIES):
        try:
            async with locking.transaction():
                await locking.execute(_QUERIES["bound-lock"], {"timeout": _LOCK_TIMEOUT})
                live = await checkpoints(locking, projection, lock=True)
                await checkpoints(there, projection)  # the first statement makes the snapshot
                return live
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as exc:
            logger.info("%s: %s", projection, exc)
    raise Problem(f"the leases of {projection} are locked: is a consumer hanging in a transaction?")


@asynccontextmanager
async def _scratch(
    conn: Connection, projection: Projection[Any, Any], config: Settings, first: Mapping[str, int]
) -> AsyncIterator[int]:
    """A scratch schema with what the line no longer holds in it, gone afterwards; how many entities that is.

    One that was left behind goes first.
    """

    async def clear() -> None:
        async with conn.transaction():
            await lock_installation(conn)
            await drop(conn, projection.name, Role.SCRATCH)

    await clear()
    async with conn.transaction():
        await lock_installation(conn)
        await create(conn, projection, Role.SCRATCH, config.partitions)
        scratch = projection.in_schema(name_of(projection.name, Role.SCRATCH))
        carried = await scratch.carry(conn, projection.name, first)
    try:
        yield carried
    finally:
        await clear()


class _Checking:
    """One verification: `there` sees the live rows as of `live` checkpoints, `conn` the scratch schema."""

    def __init__(
        self,
        projection: Projection[Any, Any],
        config: Settings,
        nc: Client,
        conn: Connection,
        carried: int,
    ) -> None:
        self._projection = projection
        self._config = config
        self._nc = nc
        self._conn = conn
        self._carried = carried
        self._scratch = name_of(projection.name, Role.SCRATCH)

    async def fold(self, live: Sequences, report: Report) -> None:
        """Fill the scratch schema."""
        odometer = Odometer(self._nc, self._projection.name, self._scratch, self._projection.streams)
        order = Order(projection=self._projection.name, role=Role.SCRATCH, until=live)
        async with workers(order, self._config, self._config.rebuild_workers) as team:
            while not await reached(self._nc, await checkpoints(self._conn, self._scratch), live):
                heed_cancellation()
                await team.check()
                report(await odometer.read(self._conn, "folding"))
                await asyncio.sleep(_POLL_S)
            report(await odometer.read(self._conn, "comparing"))

    async def compare(self, there: Connection, live: Sequences, limit: int) -> Verification:
        """Compare table by table."""
        found = Verification(self._projection.name, _position(live), carried=self._carried)
        values = await self._values(there)
        sides = Side(there, self._projection.name, values), Side(self._conn, self._scratch, values)
        excuses = Excuses(self._projection, self._nc, live, self._config.partitions)
        for table in await tables(self._conn, self._scratch):
            if table in _OWN or table in self._projection.bookkeeping:
                continue
            if self._carried and table in self._projection.aggregates:
                continue  # maxima of what has left the line are known to the live rows alone
            found.rows[table] = await count(sides[1], table)
            async for difference in compare(*sides, table):
                if await excuses.excuse(difference):
                    continue
                found.total += 1
                if len(found.differences) < limit:
                    found.differences.append(difference)
        return found

    async def _values(self, there: Connection) -> dict[str, Any]:
        follower = {"follower": self._projection.name}
        row = await (await there.execute(_QUERIES["newest-folded"], follower)).fetchone()
        newest = row[0] if row and row[0] else datetime.now(UTC)  # nothing folded: no ids either
        levels = [stream.name for stream in self._projection.streams if stream.newest_only]
        return {"since": newest - MESSAGE_ID_WINDOW, "levels": levels}


def _position(live: Sequences) -> str:
    places = sorted((stream, part, seq) for part, seqs in live.items() for stream, seq in seqs.items())
    return ",".join(f"{stream}/{part}:{seq}" for stream, part, seq in places)
