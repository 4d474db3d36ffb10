"""Verify: the line is folded into a scratch schema up to the live checkpoints, and every row compared."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from nats.aio.client import Client

from consumers.control.compare import Difference, Side, compare, count
from consumers.control.live_snapshot import live_snapshot
from consumers.control.projection_lock import projection_lock
from consumers.control.rebuild_progress import ProgressMeter, ReportProgress
from consumers.control.scratch_generation import scratch_generation
from consumers.control.tolerated import Tolerated
from consumers.control.worker import Assignment
from consumers.control.workers import running_workers
from line.aging import Aging, read_aging
from line.checkpoints import Sequences, checkpoints, is_caught_up
from line.identity import check_identity
from projections.binary_copy import json_text
from projections.dedup_key import MESSAGE_ID_WINDOW
from projections.generations import Role, generations, name_of, table_names
from projections.projection import Projection
from runtime.database.connections import Connection
from runtime.database.engine.generation_tables import ENGINE_TABLES
from runtime.database.engine.queries import engine_queries
from runtime.problems import Problem
from runtime.process.tasks import raise_if_cancelled
from runtime.settings.database import FoldSettings
from schemas.positions import Position, format_positions

_QUERIES: Final = engine_queries()
_POLL_S: Final = 0.2


@dataclass(slots=True)
class Verification:
    """The result. `rows`: table → rows compared; `differences` holds the first ones of `total`."""

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
    config: FoldSettings,
    nc: Client,
    *,
    report: ReportProgress = lambda _: None,
    limit: int = 1_000,
) -> Verification:
    """Compare the live read model with the line; at most `limit` differences are kept, all are counted.

    Raises Problem if a rebuild or another verification is under way, if the live generation is of another
    version than this program folds, or if the line is another one.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    async with projection_lock(config, projection.name, "verification") as conn:
        await check_identity(nc, conn, closely=False)
        version = (await generations(conn, projection.name))[Role.LIVE].version
        if version != projection.version:
            raise Problem(
                f"the live generation of {projection.name} is of version {version}, this program folds "
                f"version {projection.version}: verify with the program that folds version {version}"
            )
        aging = await read_aging(nc, projection.streams)
        async with (
            live_snapshot(config, projection.name) as (live, target),
            scratch_generation(conn, projection, config, aging.carried, snapshot=live) as carried,
        ):
            run = _Verify(projection, config, nc, conn, aging, carried)
            await run.fold(target, report)
            found = await run.compare(live, target, limit)
    found.elapsed = clock() - began
    return found


@dataclass(frozen=True, slots=True)
class _Verify:
    """One run: `conn` sees the scratch schema. `carried`: how many of its entities were not folded."""

    projection: Projection[Any, Any]
    config: FoldSettings
    nc: Client
    conn: Connection
    aging: Aging
    carried: int

    async def fold(self, target: Sequences, report: ReportProgress) -> None:
        """Fill the scratch schema up to the checkpoints `target`."""
        scratch = name_of(self.projection.name, Role.SCRATCH)
        meter = ProgressMeter(self.nc, self.projection.name, scratch, self.projection.streams)
        assignment = Assignment(projection=self.projection.name, role=Role.SCRATCH, until=target)
        async with running_workers(assignment, self.config, self.config.rebuild_workers) as workers:
            while not await is_caught_up(self.nc, await checkpoints(self.conn, scratch), target):
                raise_if_cancelled()
                await workers.replace_dead()
                report(await meter.read(self.conn, "folding"))
                await asyncio.sleep(_POLL_S)
            report(await meter.read(self.conn, "comparing"))

    async def compare(self, live: Connection, target: Sequences, limit: int) -> Verification:
        """Compare table by table with `live`, which sees the live rows as of the checkpoints `target`."""
        scratch = name_of(self.projection.name, Role.SCRATCH)
        found = Verification(self.projection.name, _position(target), carried=self.carried)
        values = await self._values(live)
        live_side = Side(live, self.projection.name, values)
        folded_side = Side(self.conn, scratch, values)
        tolerated = Tolerated(self.projection, self.nc, target, self.config.partitions)
        for name, condition in (await self._conditions(scratch)).items():
            table = await folded_side.table(name, condition)
            found.rows[name] = await count(folded_side, table)
            async for difference in compare(live_side, folded_side, table):
                if await tolerated.includes(difference):
                    continue
                found.total += 1
                if len(found.differences) < limit:
                    found.differences.append(difference)
        return found

    async def _conditions(self, scratch: str) -> dict[str, str]:
        """The tables to compare, each with the condition under which its rows are compared."""
        conditions = dict.fromkeys(await table_names(self.conn, scratch), "true")
        conditions |= {table.name: table.compared_if for table in ENGINE_TABLES}
        left_out = {table.name for table in ENGINE_TABLES if not table.folded} | self.projection.bookkeeping
        if self.carried:
            left_out |= self.projection.aggregates  # maxima of what has left the line: in the live rows alone
        return {name: condition for name, condition in conditions.items() if name not in left_out}

    async def _values(self, live: Connection) -> dict[str, Any]:
        """The parameters of the conditions."""
        follower = {"follower": self.projection.name}
        row = await (await live.execute(_QUERIES["newest-folded"], follower)).fetchone()
        newest = row[0] if row and row[0] else datetime.now(UTC)  # nothing folded: no message ids either
        since = newest - MESSAGE_ID_WINDOW
        return {
            "since": since if self.aging.since is None else max(since, self.aging.since),
            "latest_only": [stream.name for stream in self.projection.streams if stream.newest_only],
            "aged": json_text(self.aging.carried),
            "oldest": min(self.aging.carried.values(), default=0),
        }


def _position(target: Sequences) -> str:
    return format_positions(
        Position(stream, part, seq) for part, seqs in target.items() for stream, seq in seqs.items()
    )
