"""Tables of sums: rows that merge with those that are there, so that they do not depend on batches."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from projections.binary_copy import json_text
from projections.columns import Column
from projections.table import Table, listed
from runtime.database.connections import Connection


class SumTable(Table):
    """A table whose columns beside its key are added up; in some the newest value stays, or the greatest."""

    def __init__(
        self,
        name: str,
        columns: Sequence[Column],
        *,
        key: Sequence[str],
        newest: Collection[str] = (),
        greatest: Collection[str] = (),
    ) -> None:
        super().__init__(name, columns, key=key)
        merged = {column.name: "t.{name} + excluded.{name}" for column in columns if column.name not in key}
        merged |= dict.fromkeys(newest, "excluded.{name}")
        merged |= dict.fromkeys(greatest, "greatest(t.{name}, excluded.{name})")
        self.lists["merged"] = listed(f"{name} = {sql.format(name=name)}" for name, sql in merged.items())

    async def add(self, conn: Connection, schema: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows, by column, to those that are there."""
        if rows:
            merge = self.queries(schema)["merge-rows"]
            await conn.execute(merge, {"rows": json_text(rows)}, prepare=True)
