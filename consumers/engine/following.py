"""Followers of a process, run together."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from consumers.engine.follower import Follower


@asynccontextmanager
async def following(followers: Sequence[Follower]) -> AsyncIterator[None]:
    """Follow for the length of the block; all followers then finish the batch in hand side by side."""
    running = [asyncio.create_task(follower.run()) for follower in followers]
    try:
        yield
    finally:
        for follower in followers:
            follower.stop()
        await asyncio.gather(*running)
