"""Rows as they come, of a statement that stays prepared.

psycopg's `stream` sends the whole text of a statement each time, and PostgreSQL plans it anew: for a list
of jobs more than half of the work. It has no way to name a prepared statement, so its private parts do
(psycopg 3.3).
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, cast

from psycopg import AsyncCursor
from psycopg._preparing import PrepareManager
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer

from runtime.database.connections import Connection

Row = tuple[Any, ...]


class _PreparedCursor(AsyncCursor[Row]):
    """A cursor whose `stream` uses the prepared statement, if the connection has one."""

    def is_prepared(self, statement: bytes, values: Mapping[str, Any]) -> bool:
        query = PostgresQuery(Transformer(self))
        query.convert(statement, values)
        return self._name_of(query) is not None

    def _name_of(self, query: PostgresQuery) -> bytes | None:
        return self._conn._prepared._names.get(PrepareManager.key(query))

    def _execute_send(
        self, query: PostgresQuery, *, force_extended: bool = False, binary: bool | None = None
    ) -> None:
        name = self._name_of(query)
        if name is None:
            super()._execute_send(query, force_extended=force_extended, binary=binary)
            return
        self._query = query
        self._send_query_prepared(name, query, binary=binary)


async def prepared_stream(
    conn: Connection, statement: bytes, values: Mapping[str, Any], *, few: Mapping[str, Any], size: int
) -> AsyncGenerator[Row, None]:
    """Yield the rows of a statement, `size` at a time from the server. Closing it ends the statement.

    Where the connection does not know the statement yet, it is run once with `few`: values of the same types
    with which it is cheap.
    """
    async with _PreparedCursor(conn) as cursor:
        if not cursor.is_prepared(statement, values):
            await conn.execute(statement, few, prepare=True)
        rows = cast(AsyncGenerator[Row, None], cursor.stream(statement, values, size=size))
        try:
            async for row in rows:
                yield row
        finally:
            await rows.aclose()
