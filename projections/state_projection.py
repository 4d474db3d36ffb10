"""The base of projections whose states are the rows of one table."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import ClassVar

from projections.binary_copy import json_text
from projections.projection import Changes, Key, Projection, StateKey
from projections.state_store import StateStore
from projections.state_table import FIRST_SEQUENCE, StateTable, Stored
from projections.table import Table
from runtime.database.connections import Connection
from runtime.database.queries import fill, has_sql, load_queries
from schemas.positions import Beginning


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

    async def beginning(self, conn: Connection, key: Key) -> Beginning | None:
        if not self.table.tells_beginnings:
            return None
        cursor = await conn.execute(self._queries["beginning"], {"site": key[0], "id": key[1]})
        row = await cursor.fetchone()
        return Beginning(*row) if row else None

    async def begun_before(
        self, conn: Connection, first: int, *, site: str | None, accepted: int, since: datetime | None
    ) -> list[Beginning]:
        if not self.table.tells_beginnings:
            return []
        values = {"first": first, "site": site, "accepted": accepted, "since": since}
        query = self._queries["begun-before" if since is None else "begun-since"]
        return [Beginning(*row) async for row in await conn.execute(query, values)]

    async def lacking(
        self, conn: Connection, source: str, reached: Mapping[int, int], *, site: str | None
    ) -> list[Beginning]:
        values = {"schema": source, "table": self.table.name}
        there = {name async for (name,) in await conn.execute(self._queries["columns-of"], values)}
        if not self.table.tells_beginnings or FIRST_SEQUENCE not in there:
            return []
        query = fill(self._queries["lacking"].decode(), self.schema, {"source": f'"{source}"'})
        ends = json_text([{"part": part, "seq": seq} for part, seq in reached.items()])
        return [
            Beginning(*row)
            async for row in await conn.execute(query.encode(), {"reached": ends, "site": site})
        ]

    def weight(self, state: Stored) -> int:
        return self.table.weight(state)
