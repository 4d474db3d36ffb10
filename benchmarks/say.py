"""What is under way, for whoever waits; and waiting itself."""

import asyncio
from collections.abc import Awaitable, Callable

Say = Callable[[str], None]


async def until(condition: Callable[[], Awaitable[bool]], *, every: float, most: float) -> None:
    """Ask `every` so many seconds; TimeoutError after `most`."""
    async with asyncio.timeout(most):
        while True:
            if await condition():
                return
            await asyncio.sleep(every)
