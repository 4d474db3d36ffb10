"""Long work on the event loop: let others run now and then."""

import asyncio
import time
from typing import Final

_EVERY: Final = 0.05


class Pause:
    """Awaited in every turn of a loop, it yields every 50 ms, so that leases are renewed meanwhile."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _EVERY

    async def __call__(self) -> None:
        if time.monotonic() >= self._next:
            await asyncio.sleep(0)
            self._next = time.monotonic() + _EVERY
