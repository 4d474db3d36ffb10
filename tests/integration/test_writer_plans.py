"""Statements of a batch read what they ask for, whatever the tables were when they were planned."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from consumers.engine.connections import Connections
from foldline.settings import Settings
from runtime.database.connections import Connection
from tests.reference.published import Published
from tests.support.folding import Folding

NOON: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
TABLES: Final = ("session", "message_id")
BATCHES: Final = 12  # PostgreSQL keeps the plan of a prepared statement from its sixth use on


@pytest.fixture
async def writer(settings: Settings) -> AsyncIterator[Connection]:
    connections = Connections(settings, "sessions")
    yield await connections.writer()
    await connections.close()


async def reads(conn: Connection) -> dict[str, tuple[int, int]]:
    """By table: how often all of it was read, and how often a key was looked up."""
    await conn.execute("select pg_stat_force_next_flush()")
    await conn.execute("select pg_stat_clear_snapshot()")
    cursor = await conn.execute(
        "select relname, seq_scan, idx_scan from pg_stat_user_tables "
        "where schemaname = 'sessions' and relname = any(%s)",
        (list(TABLES),),
    )
    return {name: (whole, keys) for name, whole, keys in await cursor.fetchall()}


def event(number: int) -> Published:
    return Published(
        f"ev.local.session.S{number}.event",
        b'{"name":"one"}',
        number,
        NOON + timedelta(seconds=number),
        {"Nats-Msg-Id": f"key-{number}"},
    )


async def test_plans_made_while_a_table_is_small_look_up_keys(writer: Connection) -> None:
    folding = Folding(writer)
    await folding.take_leases()
    await folding.fold([[event(1)]])
    for table in TABLES:  # one row on one page: nothing is cheaper than reading all of it
        await writer.execute(f"analyze sessions.{table}".encode())
    before = await reads(writer)
    for number in range(2, BATCHES + 2):
        folding.projector.forget()  # states are loaded every time
        await folding.fold([[event(number)]])
    after = await reads(writer)
    for table in TABLES:
        assert after[table][0] == before[table][0], f"{table} was read whole"
        assert after[table][1] >= before[table][1] + BATCHES
