"""Answers that are sent while they are read: JSON of any size in constant memory."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Final

from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from projections.sessions.document_stream import CHUNK

logger = logging.getLogger("foldline.api")

_LONGEST_S: Final = 1800.0


class StreamedResponse(StreamingResponse):
    """Sends JSON as it is read, and closes what it is read from whatever becomes of the client."""

    def __init__(self, body: AsyncIterator[bytes], headers: Mapping[str, str], stack: AsyncExitStack) -> None:
        super().__init__(body, media_type="application/json", headers=headers)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stack:
            try:
                async with asyncio.timeout(_LONGEST_S):
                    await super().__call__(scope, receive, send)
            except TimeoutError:
                # The answer stays without its end, so that no client takes it for a whole one.
                logger.warning("a client took more than %.0f s to read an answer and was cut off", _LONGEST_S)


async def chunked_response(
    chunks: Iterator[bytes], headers: Mapping[str, str], stack: AsyncExitStack
) -> Response:
    """Answer with JSON that is made chunk by chunk; if there are more, the next ones in a thread."""
    first = next(chunks)
    if len(first) < CHUNK:
        return Response(first, media_type="application/json", headers=headers)

    async def body() -> AsyncIterator[bytes]:
        yield first
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            yield chunk

    return StreamedResponse(body(), headers, stack.pop_all())
