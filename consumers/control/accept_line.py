"""Accepting the line as it is, after it was replaced or rolled back: every read model is folded anew from it.

What is on the line counts and nothing else: events the read models showed and the line no longer holds are
gone afterwards. Until a projection's rebuild is done nobody folds it, and readers see it as it was.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any, Final

from nats.aio.client import Client

from consumers.control.projection_lock import projection_lock
from consumers.control.rebuild import rebuild
from consumers.control.rebuild_progress import ReportProgress
from line.identity import ChangedStream, changed_streams, created_at
from line.progress import announce_anew
from projections.generations import Role, drop, lock_installation
from projections.projection import Projection
from runtime.database.connections import Connection, connect
from runtime.database.engine.queries import engine_queries
from runtime.problems import Problem
from runtime.settings.database import FoldSettings

logger = logging.getLogger("foldline.accept_line")

REASON: Final = "the line is another one: waits for `foldline accept-line --yes` to be done"
_QUERIES: Final = engine_queries()


async def accept_line(
    projections: Iterable[Projection[Any, Any]],
    config: FoldSettings,
    nc: Client,
    *,
    report: ReportProgress = lambda _: None,
    tell: Callable[[str], None] = logger.warning,
) -> None:
    """Make the line as it is the one that is folded, and rebuild all projections from its start.

    Ended at any moment and called again, it goes on. `tell` is called with each change that is accepted.
    Raises Problem when nothing has changed.
    """
    known = list(projections)
    async with await connect(config, name="foldline-accept") as conn:
        if found := await changed_streams(nc, conn, closely=True):
            for change in found:
                tell(f"stream {change.stream} {change.found}")
            skips = await _start_over(known, config, nc, conn, found)
            if skips:
                tell(
                    f"{skips} decisions to skip an event are forgotten: their sequences mean other events now"
                )
        waiting = [one for one in known if await _awaits_rebuild(conn, one)]
        if not found and not waiting:
            raise Problem(
                "there is nothing to accept: the streams are those from which the read models were folded"
            )
        for projection in waiting:
            await rebuild(projection, config, nc, report=report, accept_loss=True)
            await conn.execute(_QUERIES["resume-if-reason"], {"follower": projection.name, "reason": REASON})
            await announce_anew(nc, projection.name)


async def _start_over(
    projections: list[Projection[Any, Any]],
    config: FoldSettings,
    nc: Client,
    conn: Connection,
    found: list[ChangedStream],
) -> int:
    """Put every follower at the start of the line; returns how many decisions to skip are forgotten."""
    created = await created_at(nc, conn)
    async with AsyncExitStack() as stack:
        for projection in projections:
            await stack.enter_async_context(projection_lock(config, projection.name, "accept"))
        await stack.enter_async_context(conn.transaction())
        await lock_installation(conn)
        for projection in projections:
            for role in (Role.BUILDING, Role.OLD, Role.SCRATCH):
                await drop(conn, projection.name, role)
            await conn.execute(_QUERIES["pause-if-running"], {"follower": projection.name, "reason": REASON})
        await conn.execute(_QUERIES["reset-checkpoints"])
        await conn.execute(_QUERIES["reset-reactors"])
        streams = {"streams": [change.stream for change in found]}
        skips = await (await conn.execute(_QUERIES["forget-skips"], streams)).fetchall()
        await conn.execute(_QUERIES["forget-dismissals"], streams)
        for name, at in created.items():
            await conn.execute(_QUERIES["accept-stream"], {"name": name, "created": at})
    for projection in projections:
        await announce_anew(nc, projection.name)
    return len(skips)


async def _awaits_rebuild(conn: Connection, projection: Projection[Any, Any]) -> bool:
    values = {"follower": projection.name, "reason": REASON}
    row = await (await conn.execute(_QUERIES["is-paused-for-reason"], values)).fetchone()
    return row is not None and bool(row[0])
