"""The progress of a background task as server-sent events."""

import asyncio
from collections.abc import AsyncIterator

from fastapi.responses import StreamingResponse

from api.operations.projection_control import TaskUpdate
from api.reading.server_sent_events import HEADERS, KEEPALIVE, SILENCE_S, named_event


def progress_stream(first: TaskUpdate, following: AsyncIterator[TaskUpdate]) -> StreamingResponse:
    """Answer with `first` and each update that follows, as events named by their kind.

    A client that goes away ends the answer, not the task.
    """
    return StreamingResponse(_encoded(first, following), headers=HEADERS)


async def _encoded(first: TaskUpdate, following: AsyncIterator[TaskUpdate]) -> AsyncIterator[bytes]:
    yield named_event(first.kind, first.data)
    coming = asyncio.ensure_future(anext(following, None))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=SILENCE_S)
            if not done:
                yield KEEPALIVE
                continue
            if (update := coming.result()) is None:
                return
            yield named_event(update.kind, update.data)
            coming = asyncio.ensure_future(anext(following, None))
    finally:
        coming.cancel()
