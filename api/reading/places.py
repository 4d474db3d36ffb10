"""Places: bounds on what runs at the same time. A request waits a few seconds for one, else gets 503."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from runtime.http.errors import unavailable

_QUEUE_S: Final = 5.0


@asynccontextmanager
async def a_place(places: asyncio.Semaphore, taken_by: str) -> AsyncIterator[None]:
    """Hold one of the places for the length of the block. Raises HttpProblem (503) when none becomes free.

    `taken_by` says what holds the others, such as "lists are being sent".
    """
    try:
        await asyncio.wait_for(places.acquire(), _QUEUE_S)
    except TimeoutError:
        raise unavailable(f"too many {taken_by} at once; try again") from None
    try:
        yield
    finally:
        places.release()
