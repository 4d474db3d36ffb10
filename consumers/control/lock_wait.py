"""Waiting for row locks within a bound: whoever waits for a lock makes others wait behind it."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import psycopg

from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries
from runtime.problems import Problem

logger = logging.getLogger("foldline.control")

LOCK_REFUSED: Final = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
"""The errors of PostgreSQL when a lock is not granted in time, or when transactions wait for each other."""

_QUERIES: Final = engine_queries()
T = TypeVar("T")


async def limit_lock_wait(conn: Connection, seconds: int) -> None:
    """Let no statement wait longer for a lock, until the end of the transaction."""
    await conn.execute(_QUERIES["limit-lock-wait"], {"timeout": f"{seconds}s"})


async def retry_locking(
    conn: Connection, locked: str, act: Callable[[], Awaitable[T]], *, seconds: int, tries: int
) -> T:
    """Run `act` in a transaction that waits at most `seconds` for each lock; try again when one is refused.

    `locked` names what is locked, for people. Raises Problem after the last try; it has had no effect then.
    """
    for _ in range(tries):
        try:
            async with conn.transaction():
                await limit_lock_wait(conn, seconds)
                return await act()
        except LOCK_REFUSED as exc:
            logger.info("%s: lock refused, trying again: %s", locked, str(exc).splitlines()[0])
    raise Problem(
        f"{locked}: still locked by another transaction after {tries} tries: look in pg_stat_activity for a "
        f"consumer that hangs in a transaction, end it, and try again"
    )
