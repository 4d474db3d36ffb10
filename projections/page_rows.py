"""Rows of a page: a list ends before its limit where it would become too large."""

from contextlib import aclosing
from typing import Any, Final

from runtime.compat.psycopg_stream import Row, prepared_stream
from runtime.database.connections import Connection

PAGE_BYTES: Final = 8 << 20
"""A page ends early with the item that brings it to this size."""
_FETCH: Final = 50  # rows that are in memory before they are measured


async def page_rows(
    conn: Connection, statement: bytes, values: dict[str, Any], *, limit: int, shared: int = 0
) -> tuple[list[Row], bool]:
    """Return the rows of one page, measured by the characters of their texts, and whether there are more.

    The statement selects one row beyond the limit, if there is one. Its first `shared` columns are the same
    in all rows and are not measured.
    """
    page: list[Row] = []
    total, more = 0, False
    rows = prepared_stream(conn, statement, values, few=values | {"limit": 0}, size=_FETCH)
    async with aclosing(rows):
        async for row in rows:
            more = len(page) >= limit or total >= PAGE_BYTES
            if not more:
                page.append(row)
                total += sum([len(value) for value in row[shared:] if isinstance(value, str)])
            elif len(page) < limit:
                break  # ends the statement, which costs a connection: not for the one beyond the limit
    return page, more
