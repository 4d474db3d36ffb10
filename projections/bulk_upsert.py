"""Rows on their way into a table: by binary COPY, which costs either side less than anything else."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec.json import Encoder

from projections.projection import State, StateKey
from runtime.database.connections import Connection
from runtime.database.queries import Queries
from runtime.process.time_slice import TimeSlice

_CLEAR_AFTER: Final = 20_000
_encode: Final = Encoder().encode


def json_text(value: Any) -> str:
    """Return JSON of anything a body may hold, as COPY takes it, in half the time that pydantic needs."""
    return _encode(value).decode()


async def copy_rows(conn: Connection, query: bytes, types: Sequence[str], rows: Iterable[Any]) -> None:
    """Add new rows straight to a table. `types` are the exact types of the columns, by name."""
    async with conn.cursor() as cursor, cursor.copy(query) as copy:
        copy.set_types(types)
        add = copy.formatter.write_row
        for row in rows:
            if full := add(row):  # now and then; `copy.write_row` is a coroutine for each
                await copy.write(full)


class BulkUpsert:
    """Writes rows that are new or replace others, through a temporary table of the connection.

    Its queries are `make-batch`, `copy-batch`, `write-batch`, which leaves the temporary table empty, and
    `clear-batch`.
    """

    def __init__(self, queries: Queries, types: Sequence[str]) -> None:
        self._queries = queries
        self._types = types
        self._written = 0  # rows since the temporary table was last cleared

    async def prepare(self, conn: Connection) -> None:
        """Make the temporary table: before the first `write` on a connection, and again after a failure."""
        await conn.execute(self._queries["make-batch"])
        await self._clear(conn)

    async def write(
        self,
        conn: Connection,
        states: Mapping[StateKey, State | None],
        row: Callable[[StateKey, State], Sequence[Any]],
    ) -> None:
        """Write the row of each state; None has no row."""
        rows = []
        time_slice = TimeSlice()
        for key, state in states.items():
            if time_slice.is_over():
                await time_slice.yield_to_others()
            if state is not None:
                rows.append(row(key, state))
        if not rows:
            return
        await copy_rows(conn, self._queries["copy-batch"], self._types, rows)
        await conn.execute(self._queries["write-batch"], prepare=True)
        self._written += len(rows)
        if self._written > _CLEAR_AFTER:
            await self._clear(conn)

    async def _clear(self, conn: Connection) -> None:
        await conn.execute(self._queries["clear-batch"])
        self._written = 0
