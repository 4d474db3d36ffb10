"""The line is taken as it is, after it was replaced or rolled back: every read model is folded anew from it.

What is on the line counts and nothing else: events the read models showed and the line no longer holds are
gone afterwards. Until a projection's rebuild is done nobody folds it, and readers see it as it was.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any, Final

from nats.aio.client import Client

from consumers.control.rebuild import Report, only_one, rebuild
from line.identity import Change, changes, created_at
from line.progress import announce_anew
from projections.generations import Role, drop, lock_installation
from projections.projection import Projection
from runtime.database.connections import Connection, connect
from runtime.database.engine.queries import engine_queries
from runtime.problems import Problem
from runtime.settings import Settings

logger = logging.getLogger("foldline.accept")

REASON: Final = "the line is another one: waits for `foldline accept-line --yes` to be done"
_QUERIES: Final = engine_queries()


async def accept(
    projections: Iterable[Projection[Any, Any]],
    config: Settings,
    nc: Client,
    *,
    report: Report = lambda _: None,
    tell: Callable[[str], None] = logger.warning,
) -> None:
    """Make the line as it is the one that is folded, and rebuild all projections from its start.

    Ended at any moment and called again, it goes on. Raises Problem when nothing has changed.
    """
    known = list(projections)
    async with await connect(config, name="foldline-accept") as conn:
        if found := await changes(nc, conn, closely=True):
            for change in found:
                tell(f"stream {change.stream} {change.found}")
            skips = await _begin(known, config, nc, conn, found)
            if skips:
                tell(
                    f"{skips} decisions to skip an event are forgotten: their sequences mean other events now"
                )
        resting = [one for one in known if await _resting(conn, one)]
        if not found and not resting:
            raise Problem("the line is the one that was folded: there is nothing to accept")
        for projection in resting:
            await rebuild(projection, config, nc, report=report)
            await conn.execute(_QUERIES["go-on"], {"follower": projection.name, "reason": REASON})
            await announce_anew(nc, projection.name)


async def _begin(
    projections: list[Projection[Any, Any]],
    config: Settings,
    nc: Client,
    conn: Connection,
    found: list[Change],
) -> int:
    """Everybody starts over; how many skips were forgotten."""
    created = await created_at(nc, conn)
    async with AsyncExitStack() as stack:
        for projection in projections:
            await stack.enter_async_context(only_one(config, projection.name, "accept"))
        await stack.enter_async_context(conn.transaction())
        await lock_installation(conn)
        for projection in projections:
            for role in (Role.BUILDING, Role.OLD, Role.SCRATCH):
                await drop(conn, projection.name, role)
            await conn.execute(_QUERIES["rest"], {"follower": projection.name, "reason": REASON})
        await conn.execute(_QUERIES["start-over"])
        streams = {"streams": [change.stream for change in found]}
        skips = await (await conn.execute(_QUERIES["forget-skips"], streams)).fetchall()
        await conn.execute(_QUERIES["forget-dismissals"], streams)
        for name, at in created.items():
            await conn.execute(_QUERIES["accept-stream"], {"name": name, "created": at})
    for projection in projections:
        await announce_anew(nc, projection.name)
    return len(skips)


async def _resting(conn: Connection, projection: Projection[Any, Any]) -> bool:
    values = {"follower": projection.name, "reason": REASON}
    row = await (await conn.execute(_QUERIES["resting"], values)).fetchone()
    return row is not None and bool(row[0])
