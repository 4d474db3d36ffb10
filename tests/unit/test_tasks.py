"""Tasks end, also those that do not hear the first cancellation."""

import asyncio
from contextlib import suppress

import pytest

from runtime.process.tasks import cancel_and_wait, raise_if_cancelled, wait_to_the_end


async def test_a_task_that_swallows_a_cancellation_ends_all_the_same() -> None:
    swallowed = 0

    async def deaf() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed > 1:
                    raise

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await asyncio.wait_for(cancel_and_wait(task), 10)
    assert task.cancelled()
    assert swallowed == 2


async def test_what_a_task_raises_is_not_raised_again() -> None:
    async def fails() -> None:
        raise ValueError

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await cancel_and_wait(task)
    assert isinstance(task.exception(), ValueError)
    await cancel_and_wait()


async def test_a_swallowed_cancellation_is_heeded_in_the_next_round() -> None:
    rounds: list[int] = []
    swallowing = asyncio.Event()

    async def work() -> None:
        while True:
            raise_if_cancelled()
            rounds.append(len(rounds))
            with suppress(asyncio.CancelledError):
                swallowing.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await swallowing.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rounds == [0]


async def test_without_a_cancellation_nothing_happens() -> None:
    raise_if_cancelled()


async def test_leaving_in_good_order_is_not_cut_short() -> None:
    left = asyncio.Event()
    leaving = asyncio.Event()

    async def leave() -> None:
        leaving.set()
        await left.wait()

    async def work() -> None:
        await wait_to_the_end(asyncio.ensure_future(leave()))

    task = asyncio.create_task(work())
    await leaving.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    left.set()
    with pytest.raises(asyncio.CancelledError):
        await task
