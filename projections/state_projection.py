"""The base of projections whose states are the rows of one table."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from projections.projection import Changes, Projection, StateKey
from projections.state_store import StateStore
from projections.state_table import StateTable, Stored
from projections.table import Table
from runtime.database.connections import Connection
from runtime.database.queries import has_sql, load_queries


class StateProjection(Projection[Stored, Changes]):
    """A projection that loads, stores and weighs its states by the declaration of their table.

    A query in the package's `write.sql` takes the place of the one of that name in `table.sql`.
    """

    table: ClassVar[StateTable[Stored]]
    """The table of its states."""
    other_tables: ClassVar[tuple[Table, ...]] = ()
    """Tables of other rows whose columns are declared."""

    def __init__(self, schema: str | None = None) -> None:
        super().__init__(schema)
        self._queries = dict(self.table.queries(self.schema).all)
        if has_sql(self.package, "write.sql"):
            self._queries |= load_queries(
                self.package, "write.sql", schema=self.schema, marks=self.table.lists
            ).all
        self._states = StateStore(self.table, self._queries)

    @property
    def tables(self) -> tuple[Table, ...]:
        return (self.table, *self.other_tables)

    async def prepare(self, conn: Connection) -> None:
        await self._states.prepare(conn)

    async def load(self, conn: Connection, keys: Iterable[StateKey]) -> dict[StateKey, Stored]:
        return await self._states.load(conn, keys)

    async def store(self, conn: Connection, states: Mapping[StateKey, Stored | None]) -> None:
        await self._states.store(conn, states)

    def weight(self, state: Stored) -> int:
        return self.table.weight(state)
