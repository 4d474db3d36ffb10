"""The answer of a live stream: it has no end of its own."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Final

from fastapi import Response
from starlette.types import Receive, Scope, Send

from api.jobs.subscriber import TooSlow
from api.reading.server_sent_events import HEADERS
from runtime.http.serving import STOPPING
from runtime.metrics import LIVE_READERS
from runtime.process.tasks import cancel_and_wait

logger = logging.getLogger("foldline.live")

_STUCK_S: Final = 30.0  # what one send may take
_RAW_HEADERS: Final = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


class EndlessResponse(Response):
    """Sends chunks until the client leaves or does not keep up, or the process stops."""

    def __init__(self, chunks: AsyncGenerator[bytes, None]) -> None:
        super().__init__()
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ends = {asyncio.create_task(self._send(send)), asyncio.create_task(_disconnected(receive))}
        if (stopping := scope.get(STOPPING)) is not None:
            ends.add(asyncio.create_task(stopping.wait()))
        with LIVE_READERS.track_inprogress():
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await cancel_and_wait(*ends)
        with suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _RAW_HEADERS})
        try:
            async with aclosing(self._chunks) as chunks:
                async for chunk in chunks:
                    async with asyncio.timeout(_STUCK_S):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except (TooSlow, TimeoutError):
            logger.warning("a client of the live stream did not keep up and was disconnected")


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
