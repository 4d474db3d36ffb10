"""`/v1/rejected`: events set aside, and why; shown, retried, dismissed and restored."""

from collections.abc import Awaitable
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field
from pydantic_core import to_json

from api.operations.operator_io import Reason, answer, done, read_json
from api.operations.rejected_control import Rejections
from api.reading import cursor
from api.reading.params import Limit, Query, Text, bad_parameter, documented, read_query
from api.reading.reader import Reader
from api.reading.responses import json_response, with_position
from projections.rejected import NotRejected, RejectedEvents
from runtime.http.bodies import read_body
from runtime.http.errors import HttpProblem
from runtime.http.openapi import request_body
from schemas.streams import STREAMS
from schemas.times import parse_time
from schemas.validation import InvalidFact

_CURSOR = "rejected"
_STREAMS: Final = tuple(stream.name for stream in STREAMS)
T = TypeVar("T")

Sequence = Annotated[int, Path(ge=1, le=2**63 - 1)]


class RejectedQuery(Query):
    """Which rejected events, newest first."""

    projection: Text | None = Field(None, description="Only this projection's.")
    reason: Text | None = Field(None, description="Only with this reason.")
    stream: Text | None = Field(None, description="Only from this stream.")
    dismissed: bool = Field(False, description="Also those that were dismissed.")
    limit: Limit = Field(50, description="Most items, 1 to 1000.")
    cursor: Text | None = Field(None, description="`next_cursor` of the page before.")


class RetryQuery(Query):
    """What is corrected beside the body."""

    subject: Text | None = Field(None, description="The right subject: ev.<site>.<entity>.<id>.<fact>.")
    time: Text | None = Field(
        None, description="When it happened, RFC 3339; by default when the rejected one did."
    )


def rejected_router(reader: Reader, rejected: RejectedEvents, rejections: Rejections) -> APIRouter:
    """The routes of rejected events."""
    router = APIRouter(tags=["operations"])
    known = {"projection": rejected.projections, "stream": _STREAMS}

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
                dismissed=query.dismissed,
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

    @router.get("/v1/rejected/{stream}/{sequence}")
    async def show(stream: str, sequence: Sequence) -> Response:
        """One event as it was published, with headers and body, and why it had no effect."""
        return answer(await _found(rejections.show(_known(stream), sequence)))

    @router.post("/v1/rejected/{stream}/{sequence}/retry", openapi_extra=documented(RetryQuery))
    async def retry(stream: str, sequence: Sequence, request: Request) -> Response:
        """Publish it as a new fact, with the corrected body that is sent, if any; then it is dismissed."""
        query = read_query(RetryQuery, request)
        body = await read_body(request, reader.settings.max_body)
        told = await _found(
            rejections.retry(
                _known(stream), sequence, subject=query.subject, body=body or None, time=query.time
            )
        )
        return json_response(to_json(told), headers=with_position(told["position"]))

    @router.post("/v1/rejected/{stream}/{sequence}/dismiss", openapi_extra=request_body(Reason))
    async def dismiss(stream: str, sequence: Sequence, request: Request) -> Response:
        """Hide it from the list and the metrics; nothing else changes."""
        wanted = await read_json(Reason, request)
        await _found(rejections.dismiss(_known(stream), sequence, wanted.reason))
        return answer({"dismissed": wanted.reason})

    @router.delete("/v1/rejected/{stream}/{sequence}/dismiss")
    async def restore(stream: str, sequence: Sequence) -> Response:
        """Show it again."""
        await _found(rejections.restore(_known(stream), sequence))
        return answer({"dismissed": None})

    return router


async def _found(act: Awaitable[T]) -> T:
    async def tried() -> T:
        try:
            return await act
        except NotRejected as exc:
            raise HttpProblem(404, "Not found", str(exc)) from None

    return await done(tried())


def _known(stream: str) -> str:
    if stream not in _STREAMS:
        raise HttpProblem(404, "Not found", f"no stream {stream[:100]!r}: known are {', '.join(_STREAMS)}")
    return stream


def _place(text: str | None) -> tuple[str, str, int, str] | None:
    if text is None:
        return None
    try:
        at, stream, sequence, projection = cursor.decode(text, _CURSOR, str, str, int, str)
        parse_time(at)
    except (cursor.InvalidCursor, InvalidFact):
        raise bad_parameter("cursor", "not a cursor of this list") from None
    return at, stream, sequence, projection
