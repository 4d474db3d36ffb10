"""Time slices: long work on the event loop lets other tasks run now and then."""

import asyncio
import time
from typing import Final

_SLICE_S: Final = 0.05


class TimeSlice:
    """A slice of 50 ms for a loop that awaits nothing while it computes; leases are renewed between slices.

    `if time_slice.is_over(): await time_slice.yield_to_others()` in each turn of the loop. Yielding in every
    turn would do the same, at twice the cost.
    """

    def __init__(self) -> None:
        self._end = time.monotonic() + _SLICE_S

    def is_over(self) -> bool:
        """Whether other tasks have waited for the whole slice."""
        return time.monotonic() >= self._end

    async def yield_to_others(self) -> None:
        """Let every task run that is ready, then begin the next slice."""
        await asyncio.sleep(0)
        self._end = time.monotonic() + _SLICE_S
