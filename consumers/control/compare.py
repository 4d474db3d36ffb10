"""Comparing two generations of a read model, row by row and column by column.

PostgreSQL adds up each table in buckets on both sides; only buckets that differ are read.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, NamedTuple

from runtime.database.connections import Connection
from runtime.database.queries import load_queries

_ROWS_AT_ONCE: Final = 50_000
# What of the engine's own tables is no function of the line alone.
_CONDITIONS: Final = {
    "message_id": "t.stored_at >= %(since)s",  # older ones are forgotten at any time
    "rejected": "t.stream <> all(%(levels)s)",  # of a level only the newest is left to be judged again
}

Kind = Literal["changed", "missing", "extra"]
Row = tuple[str | None, ...]
Digests = Mapping[int, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not what the line gives. `columns`: name → (what is there, what the line gives).

    `missing` rows the line gives and the read model lacks; `extra` ones it has and the line does not give.
    """

    table: str
    kind: Kind
    key: dict[str, str | None]
    columns: dict[str, tuple[str | None, str | None]]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        columns = {name: {"there": there, "line": line} for name, (there, line) in self.columns.items()}
        return asdict(self) | {"columns": columns}


class Side:
    """One of the two: a connection, whose snapshot counts, and a schema.

    `values` are the parameters of the conditions: `since`, and the names of `levels`.
    """

    def __init__(self, conn: Connection, schema: str, values: Mapping[str, Any]) -> None:
        self._conn = conn
        self._schema = schema
        self._values = values
        self._queries = load_queries("consumers.control", "compare.sql", schema=schema)

    async def shape(self, table: str) -> "_Shape":
        """The columns of a table."""
        cursor = await self._conn.execute(self._queries["columns"], {"table": f"{self._schema}.{table}"})
        columns = await cursor.fetchall()
        return _Shape(table, [name for name, _ in columns], [name for name, is_key in columns if is_key])

    async def digests(self, shape: "_Shape") -> Digests:
        """Bucket → number of rows and sums."""
        cursor = await self._conn.execute(self._statement("digests", shape), self._values)
        return {bucket: tuple(sums) async for bucket, *sums in cursor}

    async def rows(self, shape: "_Shape", wanted: list[int]) -> dict[Row, Row]:
        """The rows of some buckets, by key."""
        places = [shape.columns.index(name) for name in shape.key]
        values = {**self._values, "wanted": wanted}
        cursor = await self._conn.execute(self._statement("rows", shape), values)
        return {tuple(row[place] for place in places): row async for row in cursor}

    def _statement(self, name: str, shape: "_Shape") -> bytes:
        text = self._queries[name].decode().replace("{bucket}", self._queries["bucket"].decode())
        parts = {
            "table": f'"{shape.table}"',
            "condition": _CONDITIONS.get(shape.table, "true"),
            "key": ", ".join(f't."{name}"' for name in shape.key),
            "columns": ", ".join(f't."{name}"::text' for name in shape.columns),
        }
        for mark, part in parts.items():
            text = text.replace(f"{{{mark}}}", part)
        return text.encode()


class _Shape(NamedTuple):
    table: str
    columns: list[str]
    key: list[str]


async def compare(there: Side, line: Side, table: str) -> AsyncIterator[Difference]:
    """The differences of one table, in the order of keys within each group of buckets."""
    shape = await line.shape(table)
    for wanted in _groups(await there.digests(shape), await line.digests(shape)):
        is_there, is_line = await there.rows(shape, wanted), await line.rows(shape, wanted)
        for key in sorted(is_there.keys() | is_line.keys(), key=repr):
            if is_there.get(key) != is_line.get(key):
                yield _difference(shape, key, is_there.get(key), is_line.get(key))


async def count(side: Side, table: str) -> int:
    """How many rows of a table are compared."""
    return sum(rows for rows, *_ in (await side.digests(await side.shape(table))).values())


def _groups(there: Digests, line: Digests) -> Iterator[list[int]]:
    """Buckets that differ, as many at a time as fit into memory."""
    group: list[int] = []
    rows = 0
    for bucket in sorted(there.keys() | line.keys()):
        if there.get(bucket) == line.get(bucket):
            continue
        group.append(bucket)
        rows += max(there.get(bucket, (0,))[0], line.get(bucket, (0,))[0])
        if rows >= _ROWS_AT_ONCE:
            yield group
            group, rows = [], 0
    if group:
        yield group


def _difference(shape: _Shape, key: Row, there: Row | None, line: Row | None) -> Difference:
    nothing: Row = (None,) * len(shape.columns)
    columns = zip(shape.columns, there or nothing, line or nothing, strict=True)
    kind: Kind = "missing" if there is None else "extra" if line is None else "changed"
    return Difference(
        shape.table,
        kind,
        dict(zip(shape.key, key, strict=True)),
        {name: (is_there, is_line) for name, is_there, is_line in columns if is_there != is_line},
    )
