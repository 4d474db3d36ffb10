"""A pull reader: the messages of one stream in lists, taken as they arrive."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from line.delivery import Delivery
from line.problems import StreamUnavailable
from line.pull_consumer import PullConsumer
from line.raw_event import RawEvent
from runtime.compat.nats_client import BusClient, readable

_AT_ONCE: Final = 500
_CHECK_S: Final = 1.0


class PullReader:
    """Collects messages until they are taken; reads ahead by one request at most, however slow the taker."""

    def __init__(self, nc: BusClient, stream: str) -> None:
        self._stream = stream
        self._arrived: list[RawEvent] = []
        self._changed = asyncio.Event()
        self._consumer = PullConsumer(nc, stream, self._put, self._wake)

    @property
    def pending(self) -> int:
        """The number of messages stored beyond the last one that arrived."""
        return self._consumer.pending

    async def open(self, start: Mapping[str, Any], filter_subject: str | None = None) -> None:
        """Begin to read. Raises StreamUnavailable."""
        await self._consumer.open(start, filter_subject)
        self._check()

    async def take(self, timeout: float | None = None) -> list[RawEvent]:
        """Return what has arrived, at least one message.

        Raises StreamUnavailable when the subscription cannot go on, or when nothing has arrived for `timeout`
        seconds; another reader can go on after what was taken.
        """
        loop = asyncio.get_running_loop()
        until = None if timeout is None else loop.time() + timeout
        while not self._arrived:
            self._consumer.check()
            self._check()
            if self._consumer.credit <= 0:
                await self._consumer.ask(_AT_ONCE)
            if until is not None and loop.time() >= until:
                raise StreamUnavailable(self._stream, "messages went away while they were read")
            self._changed.clear()
            try:
                async with asyncio.timeout(_CHECK_S):
                    await self._changed.wait()
            except TimeoutError:
                continue
        taken, self._arrived = self._arrived, []
        return taken

    async def close(self) -> None:
        """Stop reading."""
        await self._consumer.close()

    async def _wake(self) -> None:
        self._changed.set()

    def _check(self) -> None:
        if self._consumer.broken:
            raise StreamUnavailable(self._stream, self._consumer.broken)

    def _put(self, delivery: Delivery, subject: bytes, body: bytes, headers: bytes) -> None:
        self._changed.set()
        text = readable(subject)
        part = text.split(".", 2)[1]
        if not part.isdecimal():
            self._consumer.broken = f"{text[:100]} has no partition"
            return
        self._arrived.append(
            RawEvent(self._stream, int(part), delivery.sequence, delivery.stored_at, text, headers, body)
        )


@asynccontextmanager
async def open_reader(
    nc: BusClient, stream: str, start: Mapping[str, Any], filter_subject: str | None = None
) -> AsyncIterator[PullReader]:
    """A reader for the length of a block. Raises StreamUnavailable."""
    reader = PullReader(nc, stream)
    try:
        await reader.open(start, filter_subject)
        yield reader
    finally:
        await reader.close()
