"""Declared tables are those that PostgreSQL has, and rows of an older generation fit into a newer one."""

from datetime import UTC, datetime
from typing import Any

import pytest

from projections.carried_columns import carried_columns
from projections.catalogue import PROJECTIONS
from projections.columns import Column
from projections.projection import Projection
from projections.table import Table
from runtime.database.connections import Connection
from runtime.database.queries import fill

Declared = list[tuple[str, str, bool]]


async def columns_in(conn: Connection, projection: Projection[Any, Any], table: Table) -> Declared:
    """Return name, type and nullability of a table's columns, in order, but for generated ones."""
    cursor = await conn.execute(
        "select attname, format_type(atttypid, null), not attnotnull from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and attgenerated = '' order by attnum",
        (f"{projection.schema}.{table.name}",),
    )
    return await cursor.fetchall()


async def key_in(conn: Connection, projection: Projection[Any, Any], table: Table) -> list[str]:
    cursor = await conn.execute(
        "select attname from pg_index i cross join unnest(indkey) with ordinality k (number, place)"
        " join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number"
        " where i.indrelid = %s::regclass and indisprimary order by place",
        (f"{projection.schema}.{table.name}",),
    )
    return [name async for (name,) in cursor]


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
async def test_the_schema_has_the_declared_columns(db: Connection, projection: Projection[Any, Any]) -> None:
    assert projection.tables
    for table in projection.tables:
        types = [column.type for column in table.columns]
        cursor = await db.execute("select t::regtype::text from unnest(%s::text[]) t", (types,))
        names = [name async for (name,) in cursor]
        declared = [
            (column.name, type_, column.nullable) for column, type_ in zip(table.columns, names, strict=True)
        ]
        assert await columns_in(db, projection, table) == declared, table.name
        assert await key_in(db, projection, table) == list(table.key), table.name


async def test_rows_from_before_a_column_get_its_default(db: Connection) -> None:
    await db.execute("create schema older")
    await db.execute("create schema newer")
    await db.execute("create table older.thing (gone text, name text, n smallint, kept jsonb)")
    await db.execute("""insert into older.thing values ('x', 'a', 1, '{"b": 1}'), ('y', 'b', 2, '{}')""")
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    table = Table(
        "thing",
        [
            Column("name", "text"),
            Column("tags", "json", default={"a": [1]}),
            Column("n", "smallint"),
            Column("times", "integer", default=3),
            Column("at", "timestamptz", default=noon),
            Column("note", "text", nullable=True),
            Column("title", "text", carried_from="name"),
            Column("kept", "json"),
        ],
        key=["name"],
    )
    await db.execute(table.queries("newer")["create-table"])
    marks, defaults = await carried_columns(db, table, "older")
    copying = fill(
        "insert into {schema}.thing ({columns}) select {values} from older.thing t", "newer", marks
    )
    await db.execute(copying.encode(), defaults)
    cursor = await db.execute("select * from newer.thing order by name")
    assert await cursor.fetchall() == [
        ("a", {"a": [1]}, 1, 3, noon, None, "a", {"b": 1}),
        ("b", {"a": [1]}, 2, 3, noon, None, "b", {}),
    ]
