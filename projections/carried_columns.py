"""Carried columns: how rows of an older generation fill a table that has got more columns since."""

from typing import Any

from projections.binary_copy import json_text
from projections.columns import Column
from projections.table import Table, listed
from runtime.database.connections import Connection


async def carried_columns(
    conn: Connection, table: Table, source: str
) -> tuple[dict[str, str], dict[str, Any]]:
    """Return marks of a statement that copies rows `t` of the table from the schema `source`.

    They are `columns`, and `values` for these columns, with the parameters that the values name. A column
    that the source does not have gets its default, or null.
    """
    values = {"schema": source, "table": table.name}
    there = {name async for (name,) in await conn.execute(table.queries(source)["columns-of"], values)}
    new = [column for column in table.columns if column.name not in there]
    defaults = {_parameter(column): _default(column) for column in new}
    marks = {
        "columns": table.lists["columns"],
        "values": listed(
            f"%({_parameter(column)})s::{column.type}" if column in new else f"t.{column.name}"
            for column in table.columns
        ),
    }
    return marks, defaults


def _parameter(column: Column) -> str:
    return f"default_{column.name}"


def _default(column: Column) -> Any:
    return json_text(column.default) if column.type in ("json", "jsonb") else column.default
