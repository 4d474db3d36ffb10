"""Long work on the event loop: let others run now and then."""

import asyncio
import time
from typing import Final

_EVERY: Final = 0.05


class Pause:
    """`if pause.is_due(): await pause()` in a loop yields every 50 ms: leases are renewed meanwhile.

    Awaiting it in every turn would do the same, at twice the cost.
    """

    def __init__(self) -> None:
        self._next = time.monotonic() + _EVERY

    def is_due(self) -> bool:
        """Whether others have waited for long enough."""
        return time.monotonic() >= self._next

    async def __call__(self) -> None:
        await asyncio.sleep(0)
        self._next = time.monotonic() + _EVERY
