"""Server-sent events: long work shown while it goes on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from fastapi import Request
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from pydantic_core import to_json

from api.operations.projection_control import Told

_SILENCE: Final = 15.0  # seconds until a comment shows that the connection lives
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def wants_events(request: Request) -> bool:
    """Whether the client asked for a stream."""
    return "text/event-stream" in request.headers.get("accept", "")


def event_stream(first: Told, following: AsyncIterator[Told]) -> EventSourceResponse:
    """Answer with readings as they come. Whoever goes away ends the stream, not the work."""
    return EventSourceResponse(_encoded(first, following), headers=_HEADERS)


async def _encoded(first: Told, following: AsyncIterator[Told]) -> AsyncIterator[bytes]:
    yield _event(first)
    coming = asyncio.ensure_future(anext(following, None))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=_SILENCE)
            if not done:
                yield KEEPALIVE_COMMENT
                continue
            if (told := coming.result()) is None:
                return
            yield _event(told)
            coming = asyncio.ensure_future(anext(following, None))
    finally:
        coming.cancel()


def _event(told: Told) -> bytes:
    return format_sse_event(event=told.kind, data_str=to_json(told.data).decode())
