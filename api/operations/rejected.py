"""`/v1/rejected`: events that had no effect, and why; shown, retried, dismissed and restored."""

from collections.abc import Awaitable
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field

from api.operations.operator_io import BODY_ERRORS, ReasonBody, completed, read_json
from api.operations.rejected_control import RejectedControl
from api.operations.responses import Dismissed, RejectedEvent, RejectedPage, Retried
from api.reading import cursor
from api.reading.params import (
    Limit,
    Query,
    Text,
    invalid_cursor,
    invalid_parameter,
    read_query,
)
from api.reading.reader import Reader
from api.reading.responses import encoded_response, with_position
from projections.rejected import NotRejected, RejectedEvents
from runtime.http.bodies import read_body
from runtime.http.errors import HttpProblem
from runtime.http.openapi import operation
from runtime.http.waits import POSITION_HEADER
from schemas.errors import ErrorCode
from schemas.registry import DECLARED
from schemas.times import parse_time
from schemas.validation import MAX_FACT_BYTES, InvalidFact

_CURSOR: Final = "rejected"
_STREAMS: Final = tuple(stream.name for stream in DECLARED.streams)
T = TypeVar("T")

SequencePath = Annotated[int, Path(ge=1, le=2**63 - 1)]


class RejectedQuery(Query):
    """Filters and page of the list of rejected events, newest first."""

    projection: Text | None = Field(None, description="Only events this projection rejected.")
    reason: Text | None = Field(None, description="Only events rejected for this reason.")
    stream: Text | None = Field(None, description="Only events of this stream.")
    dismissed: bool = Field(False, description="true: dismissed events as well.")
    limit: Limit = Field(50, description="Most items, 1 to 1000.")
    cursor: Text | None = Field(None, description="`next_cursor` of the page before.")


class RetryQuery(Query):
    """Corrections beside the body."""

    subject: Text | None = Field(None, description="The right subject: ev.<site>.<entity>.<id>.<fact>.")
    time: Text | None = Field(
        None, description="When it happened (RFC 3339); default: the time of the rejected event."
    )


def rejected_router(reader: Reader, rejected: RejectedEvents, control: RejectedControl) -> APIRouter:
    """The routes of rejected events."""
    router = APIRouter(tags=["operations"])
    known = {"projection": rejected.projections, "stream": _STREAMS}

    @router.get(
        "/v1/rejected", **operation("list_rejected", RejectedPage, query=RejectedQuery, errors=(400, 503))
    )
    async def page(request: Request) -> Response:
        """Rejected events: not valid, and therefore without effect; newest first."""
        query = read_query(RejectedQuery, request)
        for name, values in known.items():
            if getattr(query, name) not in (None, *values):
                raise invalid_parameter(
                    name, f"no {name} {getattr(query, name)[:64]!r}: known are {', '.join(values)}"
                )
        before = _before(query.cursor)
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
        return encoded_response(body)

    @router.get(
        "/v1/rejected/{stream}/{sequence}",
        **operation("read_rejected_event", RejectedEvent, errors=(400, 404, 503)),
    )
    async def show(stream: str, sequence: SequencePath) -> Response:
        """One event as it was published, with headers and body, and the reasons it was rejected for."""
        return encoded_response(await _completed(control.show(_known(stream), sequence)))

    @router.post(
        "/v1/rejected/{stream}/{sequence}/retry",
        **operation(
            "retry_rejected_event",
            Retried,
            query=RetryQuery,
            request=Any,
            response_headers=(POSITION_HEADER._replace(always=True),),
            errors=(*BODY_ERRORS, 404, 409, 503),
        ),
    )
    async def retry(stream: str, sequence: SequencePath, request: Request) -> Response:
        """Publish the event as a new fact, with the corrected body if one is sent, and dismiss it."""
        query = read_query(RetryQuery, request)
        body = await read_body(request, MAX_FACT_BYTES)
        retried = await _completed(
            control.retry(_known(stream), sequence, subject=query.subject, body=body or None, time=query.time)
        )
        return encoded_response(retried, headers=with_position(retried["position"]))

    @router.post(
        "/v1/rejected/{stream}/{sequence}/dismiss",
        **operation(
            "dismiss_rejected_event",
            Dismissed,
            request=ReasonBody,
            errors=(*BODY_ERRORS, 404, 409, 503),
        ),
    )
    async def dismiss(stream: str, sequence: SequencePath, request: Request) -> Response:
        """Hide the event from the list and the metrics; nothing else changes."""
        body = await read_json(ReasonBody, request)
        await _completed(control.dismiss(_known(stream), sequence, body.reason))
        return encoded_response({"dismissed": body.reason})

    @router.delete(
        "/v1/rejected/{stream}/{sequence}/dismiss",
        **operation("restore_rejected_event", Dismissed, errors=(400, 404, 503)),
    )
    async def restore(stream: str, sequence: SequencePath) -> Response:
        """Show a dismissed event again."""
        await _completed(control.restore(_known(stream), sequence))
        return encoded_response({"dismissed": None})

    return router


async def _completed(operation: Awaitable[T]) -> T:
    """Await an operation. Raises HttpProblem: 404 for an event that was not rejected, 409, 503."""

    async def found() -> T:
        try:
            return await operation
        except NotRejected as exc:
            raise HttpProblem(ErrorCode.NOT_FOUND, str(exc)) from None

    return await completed(found())


def _known(stream: str) -> str:
    if stream not in _STREAMS:
        raise HttpProblem(ErrorCode.NOT_FOUND, f"no stream {stream[:100]!r}: known are {', '.join(_STREAMS)}")
    return stream


def _before(text: str | None) -> tuple[str, str, int, str] | None:
    if text is None:
        return None
    try:
        at, stream, sequence, projection = cursor.decode(text, _CURSOR, str, str, int, str)
        parse_time(at)
    except (cursor.InvalidCursor, InvalidFact):
        raise invalid_cursor(text, "this list") from None
    return at, stream, sequence, projection
