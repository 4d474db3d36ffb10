"""A bound on the facts that wait, in messages and in bytes."""

import asyncio
from collections import deque


class Capacity:
    """Callers acquire bytes in the order they came and wait while it is full; one too large enters alone."""

    def __init__(self, *, messages: int, size: int) -> None:
        self._messages, self._size = messages, size
        self._inside = self._used = 0
        self._queue: deque[tuple[asyncio.Future[None], int]] = deque()

    def acquire_now(self, size: int) -> bool:
        """Take `size` bytes if that needs no waiting; answers whether they were taken."""
        if self._queue or not self._fits(size):
            return False
        self._take(size)
        return True

    async def acquire(self, size: int) -> None:
        """Take `size` bytes; cancelled while waiting, it takes nothing."""
        if self.acquire_now(size):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (turn, size)
        self._queue.append(place)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # let in and cancelled in the same moment
                self._give_back(size)
            raise
        finally:
            # Only now: who comes between being let in and running again must not overtake.
            self._queue.remove(place)
            self._let_in()

    def release(self, size: int) -> None:
        """Give back the bytes of one `acquire`."""
        self._give_back(size)
        self._let_in()

    def _fits(self, size: int) -> bool:
        return self._inside == 0 or (self._inside < self._messages and self._used + size <= self._size)

    def _take(self, size: int) -> None:
        self._inside += 1
        self._used += size

    def _give_back(self, size: int) -> None:
        self._inside -= 1
        self._used -= size

    def _let_in(self) -> None:
        for turn, size in self._queue:
            if turn.done():
                continue
            if not self._fits(size):
                return
            self._take(size)
            turn.set_result(None)
