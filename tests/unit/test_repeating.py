"""Repeated work ends with its block, whatever it does with a cancellation."""

import asyncio
from contextlib import suppress

from runtime.process.repeating import repeating
from tests.support.waiting import wait_until


async def test_it_repeats_until_the_block_is_left() -> None:
    rounds = []
    before = asyncio.all_tasks()

    async def act() -> None:
        rounds.append(len(rounds))

    async with repeating(act, every=0.01):
        await wait_until(lambda: len(rounds) >= 3)
    assert asyncio.all_tasks() <= before


async def test_a_swallowed_cancellation_does_not_keep_it_alive() -> None:
    """As a request does that is answered at the moment of the cancellation."""
    inside = asyncio.Event()

    async def act() -> None:
        inside.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async with asyncio.timeout(10):
        async with repeating(act, every=3600):
            await inside.wait()
