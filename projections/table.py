"""Tables: each is declared once by its columns, and every statement that lists them follows from there."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from projections.binary_copy import copy_rows
from projections.columns import Column
from runtime.database.connections import Connection
from runtime.database.queries import Queries, fill, has_sql, load_queries, read_sql


class Table:
    """A table of a read model: its columns in order, and the names of those that are its primary key.

    `lists` has what the marks of SQL files stand for, such as `{columns}` in `table.sql`.
    """

    def __init__(self, name: str, columns: Sequence[Column], *, key: Sequence[str]) -> None:
        self.name = name
        self.columns = tuple(columns)
        self.key = tuple(key)
        if missing := set(key) - {column.name for column in columns if not column.nullable}:
            raise ValueError(f"table {name}: its key needs columns {sorted(missing)} that are never null")
        self.lists = {
            "table": name,
            "definitions": ",\n    ".join(
                [*(column.definition for column in columns), f"primary key ({listed(key)})"]
            ),
            "columns": listed(column.name for column in columns),
            "types": listed(f"{column.name} {column.type}" for column in columns),
            "key": listed(key),
        }

    def queries(self, schema: str) -> Queries:
        """Return the common statements over the table in a schema."""
        return _queries(self, schema)


class RowTable(Table):
    """A table that only grows: its rows are tuples in the order of its columns."""

    def __init__(self, name: str, columns: Sequence[Column], *, key: Sequence[str]) -> None:
        super().__init__(name, columns, key=key)
        self._types = [column.copied_as for column in columns]

    async def add(self, conn: Connection, schema: str, rows: Iterable[Sequence[Any]]) -> None:
        """Add new rows, in binary."""
        await copy_rows(conn, self.queries(schema)["copy-rows"], self._types, rows)


@cache
def _queries(table: Table, schema: str) -> Queries:
    return load_queries("projections", "table.sql", schema=schema, marks=table.lists)


def listed(names: Iterable[str]) -> str:
    """Return a list of SQL."""
    return ", ".join(names)


def schema_sql(package: str, tables: Sequence[Table], schema: str) -> str:
    """Return the statements that create the tables of a read model in a schema.

    In the package's `schema.sql`, `{event}` stands for the columns and the primary key of the table `event`.
    Without that file a table has no other index.
    """
    if has_sql(package, "schema.sql"):
        return fill(read_sql(package, "schema.sql"), schema, {t.name: t.lists["definitions"] for t in tables})
    return ";\n".join(table.queries(schema)["create-table"].decode() for table in tables)
