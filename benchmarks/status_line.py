"""The status line of a run, and waiting."""

import asyncio
from collections.abc import Awaitable, Callable

ShowStatus = Callable[[str], None]
"""Called with a text that tells the person who waits what is measured now."""


async def wait_until(condition: Callable[[], Awaitable[bool]], *, every: float, timeout: float) -> None:
    """Ask `condition` every so many seconds until it holds. Raises TimeoutError after `timeout` seconds."""
    async with asyncio.timeout(timeout):
        while True:
            if await condition():
                return
            await asyncio.sleep(every)
