"""The clock of the line: the store times of facts are the server's, whatever the clock of this host says."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from nats.aio.client import Client

from line.jetstream import request_api
from runtime.process.repeating import repeating
from schemas.times import parse_time
from schemas.validation import InvalidFact

logger = logging.getLogger("foldline.line")

_EVERY_S: Final = 10.0
_BOUND_S: Final = 1.5
_NOTICED: Final = timedelta(seconds=1)  # less is the way to the server and back, and busy processes


class LineClock:
    """Tells the time of the server that stores facts, as far as its answers tell it.

    Admission refuses by it what a fold would reject. While there is no answer, the difference that was seen
    last holds; before the first one, and where it is under a second, our own clock counts.
    """

    def __init__(
        self,
        client: Callable[[], Client | None],
        stream: str,
        *,
        own: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._stream = stream
        self._own = own
        self._ahead = timedelta()

    def now(self) -> datetime:
        """Return the present time."""
        return self._own() - self._ahead

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Ask the server now and every ten seconds for the length of the block."""
        await self.ask()
        async with repeating(self.ask, every=_EVERY_S, first=_EVERY_S):
            yield

    async def ask(self) -> None:
        """Compare the clocks once; without an answer nothing changes."""
        nc = self._client()
        if nc is None or not nc.is_connected:
            return
        before = self._own()
        answer = await request_api(nc, f"STREAM.INFO.{self._stream}", timeout=_BOUND_S)
        after = self._own()
        try:
            theirs = parse_time(answer["ts"], "ts")
        except (KeyError, InvalidFact):
            return
        # Our clock may have been set meanwhile: the next answer tells.
        ahead = before + (after - before) / 2 - theirs
        if abs(ahead) < _NOTICED:
            ahead = timedelta()
        if abs(ahead - self._ahead) >= _NOTICED:
            logger.warning("the clock of this host is %.1f s ahead of the line's", ahead.total_seconds())
        self._ahead = ahead
