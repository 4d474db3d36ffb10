"""The buffer between the line and the fold."""

import asyncio
from datetime import UTC, datetime

import pytest

from consumers.engine.buffer import Buffer
from line.raw_event import RawEvent
from schemas.headers import NO_HEADERS


def event(sequence: int, *, part: int = 0, stream: str = "SESSIONS", body: bytes = b"{}") -> RawEvent:
    return RawEvent(
        stream=stream,
        partition=part,
        sequence=sequence,
        stored_at=datetime(2026, 1, 31, tzinfo=UTC),
        subject=f"ev.{part}.local.session.S1.state",
        headers=NO_HEADERS,
        body=body,
    )


def test_first_in_first_out() -> None:
    buffer = Buffer(10, 1 << 20)
    for sequence in (1, 2, 3):
        buffer.put(event(sequence))
    assert [one.sequence for one in buffer.take(2)] == [1, 2]
    assert [one.sequence for one in buffer.take(2)] == [3]
    assert buffer.take(2) == []


def test_room_in_events() -> None:
    buffer = Buffer(3, 1 << 20)
    assert buffer.room() == 3
    for sequence in range(4):  # what is on its way when the room ends is still taken
        buffer.put(event(sequence))
    assert buffer.room() == 0
    buffer.take(2)
    assert buffer.room() == 1


def test_room_in_bytes() -> None:
    buffer = Buffer(100, 1000)
    buffer.put(event(1, body=b"x" * 1000))
    assert buffer.room() == 0
    buffer.take(1)
    assert buffer.room() == 100


@pytest.mark.parametrize(
    ("sizes", "most", "taken"),
    [
        ([10, 10, 10], 1 << 20, [3]),
        ([10, 10, 10], 900, [2, 1]),
        ([10, 5000, 10, 10], 1000, [1, 1, 2]),
        ([5000, 5000], 1, [1, 1]),
        ([], 1, []),
    ],
)
def test_a_batch_ends_early_by_bytes(sizes: list[int], most: int, taken: list[int]) -> None:
    buffer = Buffer(10, 1 << 20)
    for sequence, size in enumerate(sizes):
        buffer.put(event(sequence, body=b"x" * size))
    found = []
    while batch := buffer.take(5, most):
        found.append(batch)
    assert [len(batch) for batch in found] == taken
    assert [one.sequence for batch in found for one in batch] == list(range(len(sizes)))
    assert buffer.room() == 10


def test_dropping_gives_room_back_and_keeps_the_order() -> None:
    buffer = Buffer(10, 2000)
    for sequence in range(1, 5):
        buffer.put(event(sequence, part=sequence % 2, body=b"x" * 500))
    buffer.drop(lambda one: one.partition == 1)
    assert buffer.room() == 8
    assert [one.sequence for one in buffer.take(9)] == [2, 4]


async def nothing_stored() -> bool:
    return False


async def test_without_lingering_what_is_there_is_enough() -> None:
    buffer = Buffer(10, 1 << 20)
    buffer.put(event(1))
    await asyncio.wait_for(buffer.fill(5, nothing_stored), 1)
    assert len(buffer) == 1


async def test_lingers_while_events_keep_coming() -> None:
    buffer = Buffer(1_000, 1 << 20)
    looks = 0

    async def coming() -> bool:
        nonlocal looks
        looks += 1
        if looks <= 3:
            asyncio.get_running_loop().call_later(0.01, buffer.put, event(looks))
        return False

    await asyncio.wait_for(buffer.fill(1_000, coming, linger=1.0), 30)
    assert len(buffer) == 3, "a look that finds nothing new ends it, long before the time is up"


async def test_lingers_no_longer_than_it_may() -> None:
    buffer = Buffer(100_000, 1 << 20)
    number = 0

    async def coming() -> bool:
        nonlocal number
        number += 1
        asyncio.get_running_loop().call_soon(buffer.put, event(number))
        return False

    await asyncio.wait_for(buffer.fill(100_000, coming, linger=0.05), 30)
    assert 1 < len(buffer) <= 10


async def test_lingering_ends_when_there_is_enough() -> None:
    buffer = Buffer(10, 1 << 20)
    for sequence in range(5):
        buffer.put(event(sequence))
    await asyncio.wait_for(buffer.fill(5, nothing_stored, linger=3600), 1)


async def test_waiting_ends_with_the_next_event() -> None:
    buffer = Buffer(10, 1000)
    waiting = asyncio.ensure_future(buffer.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    buffer.put(event(1))
    await asyncio.wait_for(waiting, 1)
    await asyncio.wait_for(buffer.wait(), 1)
    buffer.drop(lambda _: True)
    waiting = asyncio.ensure_future(buffer.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
