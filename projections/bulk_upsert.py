"""Bulk upsert: rows that are new or replace others, by binary COPY through a temporary table."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from projections.binary_copy import copy_rows
from projections.projection import State, StateKey
from runtime.database.connections import Connection
from runtime.process.time_slice import TimeSlice

_CLEAR_AFTER: Final = 20_000


class BulkUpsert:
    """Writes rows that are new or replace others, through a temporary table of the connection.

    Its queries are `make-batch`, `copy-batch`, `write-batch`, which leaves the temporary table empty, and
    `clear-batch`.
    """

    def __init__(self, queries: Mapping[str, bytes], types: Sequence[str]) -> None:
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
