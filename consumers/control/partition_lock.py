"""A partition taken over for a moment: its owner cannot commit meanwhile and starts anew afterwards."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import psycopg

from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries
from runtime.problems import Problem

logger = logging.getLogger("foldline.control")

_QUERIES: Final = engine_queries()
_LOCK_TIMEOUT: Final = "5s"
_TRIES: Final = 5
T = TypeVar("T")


async def within(
    conn: Connection, follower: str, part: int, act: Callable[[dict[str, int]], Awaitable[T]]
) -> T:
    """Run `act` in a transaction that holds the partition; it is given the checkpoints.

    A batch under way has its locks, too: who loses to it tries again. Raises Problem after some tries.
    """
    for _ in range(_TRIES):
        try:
            async with conn.transaction():
                await conn.execute(_QUERIES["bound-lock"], {"timeout": _LOCK_TIMEOUT})
                values = {"follower": follower, "part": part}
                row = await (await conn.execute(_QUERIES["take-over-partition"], values)).fetchone()
                return await act(row[0] if row else {})
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as exc:
            logger.info("%s/%d: %s", follower, part, str(exc).splitlines()[0])
    raise Problem(f"partition {part} of {follower} is locked: is a consumer hanging in a transaction?")
