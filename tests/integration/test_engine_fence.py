"""The fence: a batch commits under the epoch it was folded under, and only forward."""

from datetime import UTC, datetime

import pytest

from consumers.leases import Fenced, Leases, Reached, identify
from runtime.postgres import Connection


@pytest.fixture
async def leases(db: Connection) -> Leases:
    made = Leases("sessions", "test", 16, ttl=60, version=1)
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
