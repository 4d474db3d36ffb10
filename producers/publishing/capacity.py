"""A bound on what waits: so many messages and so many bytes."""

import asyncio
from collections import deque


class Room:
    """Callers enter in the order they came and wait while it is full; one too large for it enters alone."""

    def __init__(self, *, messages: int, size: int) -> None:
        self._messages, self._size = messages, size
        self._inside = self._used = 0
        self._queue: deque[tuple[asyncio.Future[None], int]] = deque()

    def enter_now(self, size: int) -> bool:
        """Take `size` bytes if that needs no waiting."""
        if self._queue or not self._fits(size):
            return False
        self._take(size)
        return True

    async def enter(self, size: int) -> None:
        """Take `size` bytes; cancelled while waiting, it takes nothing."""
        if self.enter_now(size):
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

    def leave(self, size: int) -> None:
        """Give back what `enter` took."""
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
