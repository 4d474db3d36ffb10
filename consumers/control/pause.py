"""Pausing a projection: nobody folds it, whatever restarts, until it is resumed. Readers go on."""

from typing import Final

from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries
from runtime.problems import Problem

_QUERIES: Final = engine_queries()
_LONGEST: Final = 500


async def pause(conn: Connection, projection: str, reason: str) -> int:
    """Stop all its partitions; how many were not paused for this reason before. Raises Problem.

    The batch under way may still commit or is fenced; nothing is folded afterwards.
    """
    if not reason.strip() or len(reason) > _LONGEST or "\x00" in reason:
        raise Problem(f"a pause needs a reason of 1 to {_LONGEST} characters, for whoever finds it later")
    cursor = await conn.execute(_QUERIES["pause"], {"follower": projection, "reason": reason.strip()})
    return cursor.rowcount


async def resume(conn: Connection, projection: str) -> int:
    """Let its partitions be taken again, also those that stopped by themselves; how many were paused."""
    return (await conn.execute(_QUERIES["resume"], {"follower": projection})).rowcount
