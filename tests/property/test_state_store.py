"""States come back from their rows as they were, whatever their table is declared to be."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldline.settings import Settings
from projections.columns import Integer, SmallInt, StoredState
from projections.jobs.state import ENTITY
from projections.projection import StateKey
from projections.sessions.state import SESSION
from projections.state_store import StateStore
from projections.state_table import StateTable
from runtime.database.connections import Connection, connect
from tests.property.strategies import JSON

SCHEMA: Final = "declared"
_TEXT: Final = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
_TIMES: Final = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_VALUES: Final = {
    "text": _TEXT,
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "double precision": st.floats(allow_nan=False),
    "timestamptz": _TIMES,
}
_KINDS: Final = (str, int, bool, float, datetime, Integer, dict[str, Any], list[Any], Literal["a", "b"])
_NULLABLE: Final = (str | None, int | None, bool | None, float | None, datetime | None, Integer | None)


@st.composite
def tables(draw: st.DrawFn) -> StateTable[Any]:
    """Draw a declared table: one of a read model, or any other."""
    declared = draw(st.sampled_from([SESSION, ENTITY, None]))
    if declared is not None:
        return declared
    kinds = draw(st.lists(st.sampled_from(_KINDS + _NULLABLE), max_size=8))
    fields = [("part", SmallInt), *((f"field_{n}", kind) for n, kind in enumerate(kinds))]
    state = msgspec.defstruct("Drawn", fields, bases=(StoredState,))
    return StateTable("drawn", state, subkey=draw(st.sampled_from([None, "sub"])))


@st.composite
def states(draw: st.DrawFn, table: StateTable[Any]) -> dict[StateKey, StoredState]:
    """Draw states by key."""
    texts = _TEXT.filter(bool)
    keys = st.tuples(texts, texts)
    if len(table.key) > 2:
        keys = st.one_of(keys, st.tuples(texts, texts, texts))
    columns = {column.name: column for column in table.columns}
    values = [
        _documents(field.type) if columns[name].is_json else _column_values(columns[name])
        for field in msgspec.structs.fields(table.state)
        if (name := field.name) in columns
    ]
    return draw(st.dictionaries(keys, st.builds(table.state, *values), min_size=1, max_size=4))


def _column_values(column: Any) -> st.SearchStrategy[Any]:
    values = _VALUES[column.type]
    return st.one_of(st.none(), values) if column.nullable else values


def _documents(kind: Any) -> st.SearchStrategy[Any]:
    inner = st.floats(allow_nan=False, allow_infinity=False) if kind == dict[str, float] else JSON
    return st.lists(inner, max_size=3) if kind == list[Any] else st.dictionaries(_TEXT, inner, max_size=3)


def plain(table: StateTable[Any], found: dict[StateKey, StoredState]) -> dict[StateKey, list[Any]]:
    """Return what columns hold; of documents the text, in which 1, 1.0, -0.0 and 1e23 differ."""
    names = [column.name for column in table.columns if column.name in table.state.__struct_fields__]
    documents = {column.name for column in table.columns if column.is_json}

    def value(state: StoredState, name: str) -> Any:
        held = getattr(state, name)
        if name not in documents:
            return held
        return msgspec.json.encode(held)

    return {key: [value(state, name) for name in names] for key, state in found.items()}


@pytest.fixture(scope="module")
async def conn(new_database: Callable[..., str]) -> AsyncIterator[Connection]:
    config = Settings(_env_file=None, database_url=new_database(bare=True))
    async with await connect(config, name="test-states") as connection:
        yield connection


async def empty_store(conn: Connection, table: StateTable[Any]) -> StateStore[Any]:
    queries = table.queries(SCHEMA)
    await conn.execute(f"drop schema if exists {SCHEMA} cascade".encode())
    await conn.execute(f"drop table if exists pg_temp.{table.name}_batch".encode())
    await conn.execute(f"create schema {SCHEMA}".encode())
    await conn.execute(queries["create-table"])
    await conn.execute("deallocate all")
    store = StateStore(table, queries.all)
    await store.prepare(conn)
    return store


@settings(max_examples=60)
@given(data=st.data())
async def test_a_stored_state_loads_as_it_was(conn: Connection, data: st.DataObject) -> None:
    table = data.draw(tables())
    store = await empty_store(conn, table)
    first = data.draw(states(table))
    await store.store(conn, dict(first))
    assert plain(table, await store.load(conn, first)) == plain(table, first)
    second = dict(
        zip(first, data.draw(states(table)).values(), strict=False)
    )  # other values under these keys
    await store.store(conn, {**dict.fromkeys(first), **second})
    found = await store.load(conn, [*first, ("no", "such")])
    assert plain(table, found) == plain(table, first | second)


@settings(max_examples=20)
@given(data=st.data())
async def test_deleting_an_entity_deletes_all_of_its_states(conn: Connection, data: st.DataObject) -> None:
    table = data.draw(tables())
    store = await empty_store(conn, table)
    held = data.draw(states(table))
    await store.store(conn, dict(held))
    gone = data.draw(st.sampled_from(list(held)))[:2]
    await store.delete(conn, [gone])
    assert (await store.load(conn, held)).keys() == {key for key in held if key[:2] != gone}
