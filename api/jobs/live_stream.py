"""`/v1/stream`: events of jobs as server-sent events, resumable by their sequence."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from api.jobs.endless_response import EndlessResponse
from api.jobs.live_fanout import LiveFanout, Resync
from api.jobs.subscriber import Wanted
from api.reading.params import Query, Text, invalid_parameter, read_query
from api.reading.server_sent_events import (
    CONNECTED,
    KEEPALIVE,
    SILENCE_S,
    event_stream,
    named_event,
    numbered_event,
)
from projections.jobs.live_events import LiveEvent
from runtime.compat.fastapi_routes import DirectRoute
from runtime.http.openapi import Header, operation
from schemas.jobs.facts import KINDS
from schemas.jobs.responses import LiveJobEvent

LAST_EVENT_ID: Final = "Last-Event-ID"
_LAST_EVENT_ID: Final = Header(
    LAST_EVENT_ID,
    "The id of the last event that was read; the answer goes on behind it.",
    {"type": "string", "pattern": "^[0-9]{1,18}$"},
)


class StreamQuery(Query):
    """Filters of the live stream; an event is sent when it meets all of them."""

    site: Text | None = Field(None, description="Only events of this site.")
    entity_type: Literal["job", "subjob"] | None = Field(
        None, description="Only events of jobs, or only of subjobs."
    )
    app: Text | None = Field(None, description="Only events of the application with this id or name.")
    job_id: Text | None = Field(None, description="Only events of this job and its subjobs.")
    kind: Text | None = Field(
        None, description=f"Only events of these kinds, comma-separated: {', '.join(KINDS)}."
    )

    def wanted(self) -> Wanted:
        """The filters as a test of an event. Raises HttpProblem."""
        kinds = {part.strip() for part in self.kind.split(",")} if self.kind is not None else set(KINDS)
        if not kinds <= set(KINDS):
            raise invalid_parameter(
                "kind",
                f"{(self.kind or '')[:64]!r} is not allowed: one or more, comma-separated,"
                f" of {', '.join(KINDS)}",
            )

        def wanted(event: LiveEvent) -> bool:
            return (
                event.kind in kinds
                and self.site in (None, event.site)
                and self.entity_type in (None, event.type)
                and self.app in (None, event.app_id, event.app_name)
                and self.job_id in (None, event.job_id)
            )

        return wanted


def job_stream_router(live: LiveFanout, *, silence: float = SILENCE_S) -> APIRouter:
    """The route of the live stream. After `silence` seconds without an event a comment is sent."""
    router = APIRouter(prefix="/v1", tags=["jobs"], route_class=DirectRoute)

    @router.get(
        "/stream",
        **operation(
            "stream_job_events",
            query=StreamQuery,
            request_headers=(_LAST_EVENT_ID,),
            media=event_stream(LiveJobEvent),
            errors=(400,),
        ),
    )
    async def stream(request: Request) -> Response:
        """Server-sent events from now on, or behind `Last-Event-ID`: each once, in the order of the stream.

        The `id` of an event is its sequence. When what follows the asked id is no longer kept, an event
        `resync` comes first, and then what is kept.
        """
        wanted = read_query(StreamQuery, request).wanted()
        return EndlessResponse(_encoded(live, wanted, _last_event_id(request), silence))

    return router


def _last_event_id(request: Request) -> int | None:
    text = request.headers.get(LAST_EVENT_ID)
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise invalid_parameter(
            LAST_EVENT_ID, f"{text[:40]!r} is not the id of an event: that is a number of at most 18 digits"
        )
    return int(text)


async def _encoded(
    live: LiveFanout, wanted: Wanted, after: int | None, silence: float
) -> AsyncGenerator[bytes, None]:
    greeting = CONNECTED
    while True:
        try:
            async with aclosing(live.events(wanted, after, silence=silence)) as coming:
                async for events in coming:
                    # A client that reads the greeting misses nothing that is sent from then on.
                    encoded = b"".join(numbered_event(event.sequence, event.data) for event in events)
                    yield greeting + encoded or KEEPALIVE
                    greeting = b""
                    after = events[-1].sequence if events else after
        except Resync as exc:
            asked, after = after, exc.next - 1
            yield greeting + named_event("resync", {"asked": asked, "next": exc.next})
            greeting = b""
