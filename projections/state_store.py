"""The state store: how the states of a projection meet their rows, in one schema."""

from collections.abc import Iterable, Mapping
from typing import Final, Generic

from projections.binary_copy import json_text
from projections.bulk_upsert import BulkUpsert
from projections.projection import Key, StateKey
from projections.state_table import StateTable, Stored
from runtime.database.connections import Connection
from runtime.process.time_slice import TimeSlice

_FETCH: Final = 500
_MOST_LOADED: Final = 8 << 20  # bytes of JSON; as Python objects they take ten times as much


class StateStore(Generic[Stored]):
    """Loads and writes states by the queries of `table.sql`."""

    def __init__(self, table: StateTable[Stored], queries: Mapping[str, bytes]) -> None:
        self._table = table
        self._queries = queries
        self._upsert = BulkUpsert(queries, table.copied_types)

    async def prepare(self, conn: Connection) -> None:
        """Prepare a connection: before the first `store` on it, and again after a failure."""
        await self._upsert.prepare(conn)

    async def load(self, conn: Connection, keys: Iterable[StateKey]) -> dict[StateKey, Stored]:
        """Return the states that exist among those asked for. Raises TooMuchAtOnce."""
        names, full_key = self._table.key, self._table.full_key
        asked = json_text([dict(zip(names, full_key(key), strict=True)) for key in keys])
        cursor = await conn.execute(
            self._queries["load-states"], {"asked": asked, "most": _MOST_LOADED}, prepare=True
        )
        loaded: dict[StateKey, Stored] = {}
        time_slice = TimeSlice()
        while rows := await cursor.fetchmany(_FETCH):
            for row in rows:
                if time_slice.is_over():
                    await time_slice.yield_to_others()  # a state may be large
                key, state = self._table.loaded(row)
                loaded[key] = state
        return loaded

    async def store(self, conn: Connection, states: Mapping[StateKey, Stored | None]) -> None:
        """Upsert the row of each state; None has no row."""
        await self._upsert.write(conn, states, self._table.row)

    async def delete(self, conn: Connection, keys: Iterable[Key]) -> None:
        """Delete the rows of some entities."""
        asked = json_text([{"site": site, "id": id_} for site, id_ in keys])
        await conn.execute(self._queries["delete-states"], {"asked": asked}, prepare=True)
