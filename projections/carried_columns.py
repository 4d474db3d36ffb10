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
    that the source does not have gets the value of its `carried_from` column, else its default or null.
    """
    values = {"schema": source, "table": table.name}
    there = {name async for (name,) in await conn.execute(table.queries(source)["columns-of"], values)}
    sources = {column.name: _source(column, there) for column in table.columns}
    new = [column for column in table.columns if sources[column.name] is None]
    defaults = {_parameter(column): _default(column) for column in new}
    marks = {
        "columns": table.lists["columns"],
        "values": listed(
            f"%({_parameter(column)})s::{column.type}" if column in new else f"t.{sources[column.name]}"
            for column in table.columns
        ),
    }
    return marks, defaults


def _source(column: Column, there: set[str]) -> str | None:
    """Return the column of the source that has the value, None if there is none."""
    return next((name for name in (column.name, column.carried_from) if name in there), None)


def _parameter(column: Column) -> str:
    return f"default_{column.name}"


def _default(column: Column) -> Any:
    return json_text(column.default) if column.is_json else column.default
