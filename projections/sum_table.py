"""Tables of sums: rows that merge with those that are there, so that they do not depend on batches."""

from collections.abc import Mapping, Sequence
from typing import Any

from projections.binary_copy import json_text
from projections.columns import Column
from projections.table import Table, listed
from runtime.database.connections import Connection


class SumTable(Table):
    """A table whose columns beside its key are added up."""

    def __init__(self, name: str, columns: Sequence[Column], *, key: Sequence[str]) -> None:
        super().__init__(name, columns, key=key)
        sums = [column.name for column in columns if column.name not in key]
        self.lists["merged"] = listed(f"{name} = t.{name} + excluded.{name}" for name in sums)

    async def add(self, conn: Connection, schema: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows, by column, to those that are there."""
        if rows:
            merge = self.queries(schema)["merge-rows"]
            await conn.execute(merge, {"rows": json_text(rows)}, prepare=True)
