"""The fence: a batch commits under the epoch it was folded under, and only forward."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from consumers.control.pause import pause, resume
from consumers.engine.leases import Fenced, Leases, Reached, identify
from foldline.settings import Settings
from projections.generations import Role, drop_leases
from projections.sessions.fold import VERSION
from runtime.database.connections import Connection, connect
from tests.support.settings import PARTITIONS
from tests.support.waiting import wait_until

NOW = datetime.now(UTC)


@pytest.fixture
async def leases(db: Connection) -> Leases:
    made = Leases("sessions", "test", PARTITIONS, ttl=60, version=VERSION)
    await made.refresh(db, await identify(db))
    return made


async def fence(db: Connection, leases: Leases, sequences: dict[int, dict[str, int]]) -> None:
    async with db.transaction():
        reached = Reached(sequences, leases.epochs(sequences), datetime.now(UTC))
        await leases.fence(db, reached)


async def checkpoints(db: Connection) -> dict[int, dict[str, int]]:
    cursor = await db.execute(
        "select part, seqs from foldline.lease where follower = 'sessions' and seqs <> '{}'"
    )
    return dict(await cursor.fetchall())


@pytest.mark.parametrize(
    "again",
    [
        {3: {"SESSIONS": 10}},
        {3: {"SESSIONS": 9}},
        {3: {"SESSIONS": 9, "HEARTBEATS": 8}},
        {3: {"SESSIONS": 11, "HEARTBEATS": 7}},
        {2: {"SESSIONS": 1}, 3: {"SESSIONS": 10}},
    ],
    ids=["repeated", "lowered", "one-lowered", "one-repeated", "beside-another"],
)
async def test_a_sequence_is_neither_lowered_nor_repeated(
    db: Connection, leases: Leases, again: dict[int, dict[str, int]]
) -> None:
    await fence(db, leases, {3: {"SESSIONS": 10, "HEARTBEATS": 7}})
    with pytest.raises(Fenced):
        await fence(db, leases, again)
    assert await checkpoints(db) == {3: {"SESSIONS": 10, "HEARTBEATS": 7}}


async def test_each_stream_goes_forward_by_itself(db: Connection, leases: Leases) -> None:
    await fence(db, leases, {3: {"SESSIONS": 10}})
    await fence(db, leases, {3: {"HEARTBEATS": 2}, 2: {"SESSIONS": 1}})
    await fence(db, leases, {3: {"SESSIONS": 11}})
    assert await checkpoints(db) == {2: {"SESSIONS": 1}, 3: {"SESSIONS": 11, "HEARTBEATS": 2}}


async def test_who_writes_several_leases_locks_them_in_the_order_of_their_partitions(
    db: Connection, leases: Leases, settings: Settings
) -> None:
    """Whatever plan PostgreSQL takes: it may read the rows as they lie, and they lie in any order."""

    async def fenced(conn: Connection) -> None:
        async with conn.transaction():
            sequences = {part: {"SESSIONS": 5} for part in range(PARTITIONS)}
            await leases.fence(conn, Reached(sequences, leases.epochs(sequences), NOW))

    async def refreshed(conn: Connection) -> None:
        await leases.refresh(conn, await identify(conn))

    async def released(conn: Connection) -> None:
        await leases.release(conn, list(leases.held))

    async def dropped(conn: Connection) -> None:
        await drop_leases(conn, "sessions", Role.LIVE)

    writers: list[Callable[[Connection], Awaitable[object]]] = [fenced, refreshed, released]
    writers += [
        lambda conn: pause(conn, "sessions", "a test"),
        lambda conn: resume(conn, "sessions"),
        dropped,
    ]
    async with await connect(settings, name="beside") as beside, await connect(settings, name="w") as writer:
        for shape in (b"indexscan", b"bitmapscan", b"hashjoin", b"mergejoin"):
            await writer.execute(b"set enable_" + shape + b" = off")
        for write in writers:
            await db.execute(
                b"with gone as (delete from foldline.lease where follower = 'sessions' returning *)"
                b" insert into foldline.lease select * from gone order by part desc"
            )
            async with db.transaction():
                await db.execute(b"select from foldline.lease where part = 0 for update")
                writing = asyncio.create_task(write(writer))
                await wait_until(lambda: _waits(beside, writer))
                async with beside.transaction(force_rollback=True):
                    await beside.execute(b"select from foldline.lease where part > 0 for update nowait")
            await writing


async def _waits(beside: Connection, writer: Connection) -> bool:
    """Whether the writer waits for a lock."""
    row = await (
        await beside.execute(
            b"select wait_event_type = 'Lock' from pg_stat_activity where pid = %s", [writer.info.backend_pid]
        )
    ).fetchone()
    return bool(row and row[0])
