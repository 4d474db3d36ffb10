"""`GET /v1/stream`: events of jobs as server-sent events, resumable by their sequence."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field
from starlette.types import Receive, Scope, Send

from api.jobs.live import Live, Resync, TooSlow, Wanted
from api.reading.params import Query, Text, bad_parameter, documented, read_query
from api.reading.server_sent_events import (
    CONNECTED,
    HEADERS,
    KEEPALIVE,
    SILENCE_S,
    named_event,
    numbered_event,
)
from projections.jobs.live_events import LiveEvent
from runtime.compat.fastapi_routes import DirectRoute
from runtime.http.serving import STOPPING
from runtime.metrics import LIVE_READERS
from runtime.process.tasks import cancel_and_wait
from schemas.jobs.facts import KINDS

logger = logging.getLogger("foldline.live")

LAST_EVENT_ID: Final = "Last-Event-ID"
_STUCK_S: Final = 30.0  # what one send may take
_RAW_HEADERS: Final = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


class StreamQuery(Query):
    """Which events; all of what is given must hold."""

    site: Text | None = Field(None, description="Only of this site.")
    entity_type: Literal["job", "subjob"] | None = Field(None, description="Only of jobs, or of subjobs.")
    app: Text | None = Field(None, description="Only of the application with this id or name.")
    job_id: Text | None = Field(None, description="Only of this job and its subjobs.")
    kind: Text | None = Field(None, description=f"Only these, comma-separated: {', '.join(KINDS)}.")

    def wanted(self) -> Wanted:
        """The same as a test of an event. Raises HttpProblem."""
        kinds = {part.strip() for part in self.kind.split(",")} if self.kind is not None else set(KINDS)
        if not kinds <= set(KINDS):
            raise bad_parameter("kind", f"comma-separated, of {', '.join(KINDS)}")

        def wanted(event: LiveEvent) -> bool:
            return (
                event.kind in kinds
                and self.site in (None, event.site)
                and self.entity_type in (None, event.type)
                and self.app in (None, event.app_id, event.app_name)
                and self.job_id in (None, event.job_id)
            )

        return wanted


def job_stream_router(live: Live, *, silence: float = SILENCE_S) -> APIRouter:
    """The live stream."""
    router = APIRouter(prefix="/v1", tags=["jobs"], route_class=DirectRoute)

    @router.get("/stream", openapi_extra=documented(StreamQuery))
    async def stream(request: Request) -> Response:
        """Server-sent events from now on, or behind `Last-Event-ID`: each once, in the order of the stream.

        `id` is the sequence. Where the asked one is no longer kept, an event `resync` comes first, and then
        what is kept.
        """
        wanted = read_query(StreamQuery, request).wanted()
        return _Streaming(_encoded(live, wanted, _after(request), silence))

    return router


def _after(request: Request) -> int | None:
    text = request.headers.get(LAST_EVENT_ID)
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise bad_parameter(LAST_EVENT_ID, f"{text[:40]!r} is not the id of an event")
    return int(text)


async def _encoded(
    live: Live, wanted: Wanted, after: int | None, silence: float
) -> AsyncGenerator[bytes, None]:
    greeting = CONNECTED
    while True:
        try:
            async with aclosing(live.events(wanted, after, silence=silence)) as coming:
                async for events in coming:
                    # Whoever reads the greeting misses nothing that is sent from then on.
                    encoded = b"".join(numbered_event(event.sequence, event.data) for event in events)
                    yield greeting + encoded or KEEPALIVE
                    greeting = b""
                    after = events[-1].sequence if events else after
        except Resync as exc:
            asked, after = after, exc.next - 1
            yield greeting + named_event("resync", {"asked": asked, "next": exc.next})
            greeting = b""


class _Streaming(Response):
    """Sends until the client goes away, or does not read: nothing is kept for it without bound."""

    def __init__(self, body: AsyncGenerator[bytes, None]) -> None:
        super().__init__()
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ends = {asyncio.create_task(self._send(send)), asyncio.create_task(_left(receive))}
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
            async with aclosing(self._body) as chunks:
                async for chunk in chunks:
                    async with asyncio.timeout(_STUCK_S):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except (TooSlow, TimeoutError):
            logger.warning("a reader of the live stream does not keep up and is disconnected")


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
