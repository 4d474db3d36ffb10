"""Rows of a statement that are fetched while they are used: memory holds a few of them at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from runtime.database.connections import Connection
from runtime.database.queries import load_queries

Row = tuple[Any, ...]

_QUERIES: Final = load_queries("projections", "server_cursor.sql", schema="foldline")


@asynccontextmanager
async def server_rows(
    conn: Connection, statement: bytes, values: dict[str, Any], *, fetch: int
) -> AsyncIterator[tuple[Row, AsyncIterator[Row]]]:
    """Open a statement that has at least one row. Yields its first row, and all of its rows.

    `fetch` of them are in memory at a time. The connection must not be used otherwise meanwhile.
    """
    async with conn.transaction(), conn.cursor(name="rows") as cursor:
        await conn.execute(_QUERIES["bound-reading"])
        await cursor.execute(statement, values)
        first = await cursor.fetchmany(fetch)

        async def rows() -> AsyncIterator[Row]:
            fetched = first
            while fetched:
                for row in fetched:
                    yield row
                fetched = await cursor.fetchmany(fetch) if len(fetched) == fetch else []

        yield first[0], rows()
