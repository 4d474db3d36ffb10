"""Work that is done again and again in the background of a process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def repeating(
    act: Callable[[], Awaitable[None]], *, every: float, first: float = 0.0
) -> AsyncIterator[None]:
    """Await `act` `first` seconds from now and `every` seconds after each end, for the length of the block.

    `act` handles its own errors. On leaving, one under way is cancelled.
    """
    stopping = asyncio.Event()

    async def repeat() -> None:
        pause = first
        while not await _happened(stopping, pause):
            await act()
            pause = every

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        # A request to NATS that is answered at this very moment swallows the cancellation (`wait_for` of
        # Python 3.11): the event ends the loop then.
        stopping.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _happened(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
