"""Capacity: order of waiting callers, cancellation, nothing lost."""

import asyncio

import pytest

from producers.publishing.capacity import Capacity


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_full_one_lets_in_by_order_of_arrival() -> None:
    capacity = Capacity(messages=2, size=100)
    order: list[int] = []

    async def caller(number: int) -> None:
        await capacity.acquire(10)
        order.append(number)

    tasks = [asyncio.create_task(caller(number)) for number in range(5)]
    await settle()
    assert order == [0, 1]
    capacity.release(10)
    late = asyncio.create_task(caller(5))  # comes while the third has been let in but does not run yet
    await settle()
    assert order == [0, 1, 2]
    for _ in range(3):
        capacity.release(10)
    await asyncio.gather(*tasks, late)
    assert order == [0, 1, 2, 3, 4, 5][: len(order)]
    assert len(order) == 6


async def test_bytes_are_bounded_too_and_a_large_one_enters_when_it_is_empty() -> None:
    capacity = Capacity(messages=10, size=100)
    await capacity.acquire(60)
    large = asyncio.create_task(capacity.acquire(500))
    await settle()
    assert not large.done()
    capacity.release(60)
    await large
    small = asyncio.create_task(capacity.acquire(1))
    await settle()
    assert not small.done()
    capacity.release(500)
    await small


@pytest.mark.parametrize("let_in_first", [False, True])
async def test_a_cancelled_caller_takes_nothing(let_in_first: bool) -> None:
    capacity = Capacity(messages=1, size=100)
    await capacity.acquire(1)
    leaving = asyncio.create_task(capacity.acquire(1))
    following = asyncio.create_task(capacity.acquire(1))
    await settle()
    if let_in_first:
        capacity.release(1)
        leaving.cancel()
    else:
        leaving.cancel()
        await settle()
        capacity.release(1)
    await asyncio.wait_for(following, 1)
    assert leaving.cancelled()
