"""GET /v1/rejected: events set aside, and why."""

from fastapi import APIRouter, Request, Response
from pydantic import Field
from pydantic_core import to_json

from api import cursor
from api.answers import json_response
from api.params import Limit, Query, Text, bad_parameter, documented, read_query
from api.reader import Reader
from projections.rejected import RejectedEvents
from schemas.streams import STREAMS
from schemas.times import parse_time
from schemas.validation import InvalidFact

_CURSOR = "rejected"


class RejectedQuery(Query):
    """Which rejected events, newest first."""

    projection: Text | None = Field(None, description="Only this projection's.")
    reason: Text | None = Field(None, description="Only with this reason.")
    stream: Text | None = Field(None, description="Only from this stream.")
    limit: Limit = Field(50, description="Most items, 1 to 1000.")
    cursor: Text | None = Field(None, description="`next_cursor` of the page before.")


def rejected_router(reader: Reader, rejected: RejectedEvents) -> APIRouter:
    """The route of rejected events."""
    router = APIRouter(tags=["operations"])
    known = {"projection": rejected.projections, "stream": tuple(stream.name for stream in STREAMS)}

    @router.get("/v1/rejected", openapi_extra=documented(RejectedQuery))
    async def page(request: Request) -> Response:
        """Events without effect because something was wrong with them, newest first."""
        query = read_query(RejectedQuery, request)
        for name, values in known.items():
            if getattr(query, name) not in (None, *values):
                raise bad_parameter(name, f"known are {', '.join(values)}")
        before = _place(query.cursor)
        found = await reader.read(
            lambda conn: rejected.page(
                conn,
                projection=query.projection,
                reason=query.reason,
                stream=query.stream,
                before=before,
                limit=query.limit,
            )
        )
        body = {
            "items": found.items,
            "total": sum(found.counts.values()),
            "counts": found.counts,
            "next_cursor": None if found.before is None else cursor.encode(_CURSOR, *found.before),
        }
        return json_response(to_json(body))

    return router


def _place(text: str | None) -> tuple[str, str, int, str] | None:
    if text is None:
        return None
    try:
        at, stream, sequence, projection = cursor.decode(text, _CURSOR, str, str, int, str)
        parse_time(at)
    except (cursor.InvalidCursor, InvalidFact):
        raise bad_parameter("cursor", "not a cursor of this list") from None
    return at, stream, sequence, projection
