"""Bounded waiting: order, cancellation, nothing lost."""

import asyncio

import pytest

from producers.publishing.capacity import Room


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_full_room_lets_in_by_order_of_arrival() -> None:
    room = Room(messages=2, size=100)
    order: list[int] = []

    async def guest(number: int) -> None:
        await room.enter(10)
        order.append(number)

    tasks = [asyncio.create_task(guest(number)) for number in range(5)]
    await settle()
    assert order == [0, 1]
    room.leave(10)
    late = asyncio.create_task(guest(5))  # comes while the third has been let in but does not run yet
    await settle()
    assert order == [0, 1, 2]
    for _ in range(3):
        room.leave(10)
    await asyncio.gather(*tasks, late)
    assert order == [0, 1, 2, 3, 4, 5][: len(order)]
    assert len(order) == 6


async def test_bytes_are_bounded_too_and_a_large_one_enters_an_empty_room() -> None:
    room = Room(messages=10, size=100)
    await room.enter(60)
    large = asyncio.create_task(room.enter(500))
    await settle()
    assert not large.done()
    room.leave(60)
    await large
    small = asyncio.create_task(room.enter(1))
    await settle()
    assert not small.done()
    room.leave(500)
    await small


@pytest.mark.parametrize("let_in_first", [False, True])
async def test_cancelled_guest_takes_no_room(let_in_first: bool) -> None:
    room = Room(messages=1, size=100)
    await room.enter(1)
    leaving = asyncio.create_task(room.enter(1))
    following = asyncio.create_task(room.enter(1))
    await settle()
    if let_in_first:
        room.leave(1)
        leaving.cancel()
    else:
        leaving.cancel()
        await settle()
        room.leave(1)
    await asyncio.wait_for(following, 1)
    assert leaving.cancelled()
