"""Periodic work in the background of a process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from runtime.process.tasks import cancel_and_wait


@asynccontextmanager
async def repeating(
    act: Callable[[], Awaitable[None]], *, every: float, first: float = 0.0
) -> AsyncIterator[None]:
    """Call `act` as long as the block lasts: `first` seconds from now, then `every` seconds after each end.

    `act` handles its own errors. On leaving, a call under way is cancelled.
    """

    async def repeat() -> None:
        await asyncio.sleep(first)
        while True:
            await act()
            await asyncio.sleep(every)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        await cancel_and_wait(task)
