"""The lock of a projection: one process at a time rebuilds it, verifies it or drops a generation of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import psycopg

from runtime.database.connections import Connection, connect
from runtime.database.engine.queries import engine_queries
from runtime.problems import Problem
from runtime.settings.database import FoldSettings

_QUERIES: Final = engine_queries()


@asynccontextmanager
async def projection_lock(config: FoldSettings, projection: str, purpose: str) -> AsyncIterator[Connection]:
    """Hold the lock for the length of a block; gives the connection that holds it, and that must stay open.

    `purpose` is part of the connection's name in PostgreSQL. Raises Problem if another process has the lock.
    """
    async with await connect(config, name=f"foldline-{purpose}") as conn:
        row = await (await conn.execute(_QUERIES["try-projection-lock"], {"name": projection})).fetchone()
        if row is None or not row[0]:
            raise Problem(
                f"a rebuild or verification of {projection} is already under way: wait for its end, or stop "
                f"a rebuild with `foldline cancel {projection}`"
            )
        try:
            yield conn
        finally:
            # PostgreSQL would do it a moment after the connection is closed: too late for who comes next.
            with suppress(psycopg.Error):
                await conn.execute(_QUERIES["release-projection-lock"], {"name": projection})


async def is_projection_locked(conn: Connection, projection: str) -> bool:
    """Whether some process holds the lock."""
    row = await (await conn.execute(_QUERIES["is-projection-locked"], {"name": projection})).fetchone()
    return bool(row and row[0])
