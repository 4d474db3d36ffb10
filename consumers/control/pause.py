"""Pausing a projection: nobody folds it, whatever restarts, until it is resumed. Readers go on."""

from typing import Final

from runtime.database.connections import Connection
from runtime.database.engine.operator_reason import checked_reason
from runtime.database.engine.queries import engine_queries

_QUERIES: Final = engine_queries()


async def pause(conn: Connection, projection: str, reason: str) -> int:
    """Pause all partitions; returns how many were not paused for this reason before.

    The batch under way commits or is fenced; nothing is folded afterwards. Raises Problem for a reason that
    is empty, too long or contains NUL.
    """
    values = {"follower": projection, "reason": checked_reason("a pause", reason)}
    return (await conn.execute(_QUERIES["pause"], values)).rowcount


async def resume(conn: Connection, projection: str) -> int:
    """Let all partitions be taken again, also those that stopped by themselves.

    Returns how many were paused.
    """
    return (await conn.execute(_QUERIES["resume"], {"follower": projection})).rowcount
