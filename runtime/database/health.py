"""Health of PostgreSQL: whether what is written would be committed."""

from typing import Final

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from runtime.database.connections import Connection
from runtime.database.queries import load_queries
from runtime.readiness import Check

_QUERIES: Final = load_queries("runtime.database", "health.sql", schema="foldline")


def writable_check(pool: AsyncConnectionPool[Connection]) -> Check:
    """Check that PostgreSQL takes writes: it is no copy, not read-only, and its disk is not full.

    No table is written. A transaction fills a temporary file and commits a record of the log.
    """

    async def check() -> str | None:
        try:
            async with pool.connection() as conn, conn.transaction():
                if await (await conn.execute(_QUERIES["is-read-only"])).fetchone() == (True,):
                    return "PostgreSQL takes no writes: it is read-only, or a copy of another server"
                for name in ("little-memory", "spill", "commit-nothing"):
                    await conn.execute(_QUERIES[name])
        except PoolTimeout:
            return "no connection to PostgreSQL is free, or it is away"
        except psycopg.Error as exc:
            return f"PostgreSQL takes no writes: {str(exc).splitlines()[0]}"
        return None

    return check
