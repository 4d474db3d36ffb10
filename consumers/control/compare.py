"""Comparing two generations of a read model, row by row and column by column.

PostgreSQL adds up each table in buckets on both sides; only buckets that differ are read.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, NamedTuple

from runtime.database.connections import Connection
from runtime.database.queries import load_queries

_ROWS_AT_ONCE: Final = 50_000

Kind = Literal["changed", "missing", "extra"]
Row = tuple[str | None, ...]
Digests = Mapping[int, tuple[Any, ...]]
"""Bucket → number of rows, and two sums of hashes over them."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not what the line gives. `columns`: name → (value in the read model, value by the line).

    Of a long value it has the beginning, the length and a hash.

    A row that only the line gives is `missing`, one that only the read model has is `extra`.
    """

    table: str
    kind: Kind
    key: dict[str, str | None]
    columns: dict[str, tuple[str | None, str | None]]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        columns = {name: {"there": live, "line": folded} for name, (live, folded) in self.columns.items()}
        return asdict(self) | {"columns": columns}


class ComparedTable(NamedTuple):
    """A table to compare: its columns in order, those of its key, and the SQL condition on a row `t`."""

    name: str
    columns: list[str]
    key: list[str]
    condition: str


class Side:
    """One side of the comparison: the schema of a generation, as the connection's snapshot shows it.

    `values` are the parameters that conditions name.
    """

    def __init__(self, conn: Connection, schema: str, values: Mapping[str, Any]) -> None:
        self._conn = conn
        self._schema = schema
        self._values = values
        self._queries = load_queries("consumers.control", "compare.sql", schema=schema)

    async def table(self, name: str, condition: str) -> ComparedTable:
        """Describe a table, whose rows are compared where `condition` holds."""
        cursor = await self._conn.execute(self._queries["columns"], {"table": f"{self._schema}.{name}"})
        columns = await cursor.fetchall()
        key = [column for column, is_key in columns if is_key]
        return ComparedTable(name, [column for column, _ in columns], key, condition)

    async def digests(self, table: ComparedTable) -> Digests:
        """Add up the rows of each bucket."""
        cursor = await self._conn.execute(self._statement("digests", table), self._values)
        return {bucket: tuple(sums) async for bucket, *sums in cursor}

    async def rows(self, table: ComparedTable, buckets: list[int]) -> dict[Row, Row]:
        """Fetch the rows of some buckets, by key."""
        places = [table.columns.index(name) for name in table.key]
        values = {**self._values, "buckets": buckets}
        cursor = await self._conn.execute(self._statement("rows", table), values)
        return {tuple(row[place] for place in places): row async for row in cursor}

    def _statement(self, name: str, table: ComparedTable) -> bytes:
        text = self._queries[name].decode().replace("{bucket}", self._queries["bucket"].decode())
        value = self._queries["value"].decode()
        parts = {
            "table": f'"{table.name}"',
            "condition": table.condition,
            "key": ", ".join(f't."{column}"' for column in table.key),
            "row": ", ".join(f't."{column}"' for column in table.columns),
            "columns": ", ".join(value.replace("{column}", f't."{column}"') for column in table.columns),
        }
        for mark, part in parts.items():
            text = text.replace(f"{{{mark}}}", part)
        return text.encode()


async def compare(live: Side, folded: Side, table: ComparedTable) -> AsyncIterator[Difference]:
    """The differences of one table, in the order of keys within each group of buckets."""
    for buckets in _groups(await live.digests(table), await folded.digests(table)):
        live_rows, folded_rows = await live.rows(table, buckets), await folded.rows(table, buckets)
        for key in sorted(live_rows.keys() | folded_rows.keys(), key=repr):
            if live_rows.get(key) != folded_rows.get(key):
                yield _difference(table, key, live_rows.get(key), folded_rows.get(key))


async def count(side: Side, table: ComparedTable) -> int:
    """Return the number of rows of a table that are compared."""
    return sum(rows for rows, *_ in (await side.digests(table)).values())


def _groups(live: Digests, folded: Digests) -> Iterator[list[int]]:
    """Buckets that differ, as many at a time as fit into memory."""
    group: list[int] = []
    rows = 0
    for bucket in sorted(live.keys() | folded.keys()):
        if live.get(bucket) == folded.get(bucket):
            continue
        group.append(bucket)
        rows += max(live.get(bucket, (0,))[0], folded.get(bucket, (0,))[0])
        if rows >= _ROWS_AT_ONCE:
            yield group
            group, rows = [], 0
    if group:
        yield group


def _difference(table: ComparedTable, key: Row, live: Row | None, folded: Row | None) -> Difference:
    nothing: Row = (None,) * len(table.columns)
    columns = zip(table.columns, live or nothing, folded or nothing, strict=True)
    kind: Kind = "missing" if live is None else "extra" if folded is None else "changed"
    return Difference(
        table.name,
        kind,
        dict(zip(table.key, key, strict=True)),
        {name: (is_live, is_folded) for name, is_live, is_folded in columns if is_live != is_folded},
    )
