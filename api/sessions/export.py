"""`/api/data/sessions`: all sessions, or those that match filters, as a bare array."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import fields, replace
from typing import Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from pydantic import Field
from pydantic_core import from_json

from api.reading import cursor
from api.reading.cursor import NEXT_CURSOR, NEXT_CURSOR_HEADER
from api.reading.params import (
    Limit,
    Query,
    Text,
    Texts,
    invalid_cursor,
    read_query,
    state_conditions,
)
from api.reading.reader import Reader
from api.reading.responses import json_response, with_position
from api.reading.streamed_response import StreamedResponse
from projections.page_rows import PAGE_BYTES
from projections.sessions.document_stream import Part
from projections.sessions.exports import (
    Export,
    ExportPage,
    SessionExports,
    SessionFilters,
    Sort,
    StatusFilter,
)
from projections.sessions.views import PROJECTION
from runtime.http.openapi import Header, operation
from runtime.http.waits import POSITION_HEADER, READ_HEADERS
from schemas.sessions.responses import Session, SessionSummary
from schemas.times import Timestamp, format_time, parse_time
from schemas.validation import InvalidFact

TOTAL: Final = "Foldline-Total"
_ANSWER_HEADERS: Final = (
    Header(TOTAL, "The number of all that match.", {"type": "integer", "minimum": 0}, always=True),
    POSITION_HEADER,
    NEXT_CURSOR_HEADER,
    Header("Link", 'The next page as a URL, `rel="next"`; absent on the last.'),
)
_CHUNK: Final = 64 << 10

# The type of the sort key in a cursor; PostgreSQL wrote times in its own form, ISO 8601.
_KEYS: Final[dict[Sort, type[str] | type[int]]] = {
    "created_at": str,
    "updated_at": str,
    "status": str,
    "events": int,
    "metrics": int,
}

SortKey = Literal[
    "created_at",
    "-created_at",
    "updated_at",
    "-updated_at",
    "status",
    "-status",
    "events",
    "-events",
    "metrics",
    "-metrics",
]


class ExportQuery(Query):
    """SessionFilters, order and page of the export. Without `limit` all sessions that match are sent."""

    product: Text | None = Field(None, description="Product in the current state.")
    version: Text | None = Field(None, description="Version in the current state.")
    status: StatusFilter | None = Field(None, description="A condition now, or one gone through.")
    state: Texts = Field((), description="dotted.path=value in the current state; may be repeated.")
    state_ever: Texts = Field((), description="dotted.path=value at any time; may be repeated.")
    has_event: Texts = Field((), description="Has an event of this name; may be repeated.")
    machine_id: Text | None = Field(None, description="Machine.")
    hostname: Text | None = Field(None, description="Host name.")
    site: Text | None = Field(None, description="Site.")
    created_after: Timestamp | None = Field(None, description="Created at this time or later (RFC 3339).")
    created_before: Timestamp | None = Field(None, description="Created before this time (RFC 3339).")
    sort: SortKey = Field("created_at", description="Sort key; `-` in front for descending.")
    limit: Limit | None = Field(None, description="Most sessions, 1 to 1000; default: all.")
    cursor: Text | None = Field(None, description=f"{NEXT_CURSOR} of the page before.")
    timelines: bool = Field(True, description="false: counts instead of events, metrics and state_history.")

    def filters(self) -> SessionFilters:
        """The filters as the views take them. Raises HttpProblem (400)."""
        plain: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(SessionFilters)}
        return SessionFilters(
            **plain
            | {
                "state": state_conditions("state", self.state),
                "state_ever": state_conditions("state_ever", self.state_ever, scalar=True),
            }
        )

    def page(self) -> ExportPage:
        """Order and page as the views take them. Raises HttpProblem (400) for a cursor of another list."""
        sort: Sort = self.sort.removeprefix("-")  # type: ignore[assignment]
        after = None
        if self.cursor is not None:
            try:
                after = cursor.decode(self.cursor, self.sort, _KEYS[sort], str, str)
                if sort in ("created_at", "updated_at"):
                    after = (format_time(parse_time(after[0])), *after[1:])
            except (cursor.InvalidCursor, InvalidFact):
                raise invalid_cursor(self.cursor, f"this list sorted by {self.sort}") from None
        return ExportPage(
            sort=sort,
            order="desc" if self.sort.startswith("-") else "asc",
            after=after,
            limit=self.limit,
            timelines=self.timelines,
        )


def export_router(reader: Reader, exports: SessionExports) -> APIRouter:
    """The route of the export."""
    router = APIRouter(tags=["data"])

    @router.get(
        "/api/data/sessions",
        **operation(
            "list_sessions",
            list[Session | SessionSummary],
            query=ExportQuery,
            request_headers=READ_HEADERS,
            response_headers=_ANSWER_HEADERS,
            errors=(400, 503),
        ),
    )
    async def export(request: Request) -> Response:
        """All sessions, or those that match, as an array; total, position and next cursor are in headers."""
        query = read_query(ExportQuery, request)
        filters, page = query.filters(), query.page()
        await reader.wait_for_positions(PROJECTION, request.headers)
        async with AsyncExitStack() as stack:
            if query.limit is None:
                found = await reader.lend(stack, lambda conn: exports.open(conn, filters, page), long=True)
                return StreamedResponse(_array(found.parts), _headers(request, query, found), stack.pop_all())
            found = await reader.lend(stack, lambda conn: exports.open(conn, filters, page), long=False)
            documents, place = await _page(found.parts)
            if documents or not found.found:
                headers = _headers(request, query, found, place if found.found > len(documents) else None)
                return json_response(b"[%b]" % b",".join(documents), headers=headers)
        async with AsyncExitStack() as stack:  # it begins with a session that is a page by itself
            alone = replace(page, limit=1)
            found = await reader.lend(stack, lambda conn: exports.open(conn, filters, alone), long=True)
            first = await anext(found.parts, None)
            place = first.place if first is not None and found.found > 1 else None
            return StreamedResponse(
                _array(found.parts, first), _headers(request, query, found, place), stack.pop_all()
            )

    return router


def _headers(request: Request, query: ExportQuery, found: Export, place: str | None = None) -> dict[str, str]:
    """The headers of a list; the next page begins behind `place`, None on the last."""
    headers = with_position(found.position, {TOTAL: str(found.total)})
    if place is not None:
        next_cursor = cursor.encode(query.sort, *from_json(place))
        headers[NEXT_CURSOR] = next_cursor
        headers["Link"] = f'<{_with_cursor(request, next_cursor)}>; rel="next"'
    return headers


async def _page(parts: AsyncIterator[Part]) -> tuple[list[bytes], str | None]:
    """Return the documents of a page that ends early by bytes, and the place of the last one.

    There are none if the first one alone is larger than a page.
    """
    documents: list[bytes] = []
    begun: list[bytes] = []
    size, place = 0, None
    async for part in parts:
        begun.append(part.body)
        size += len(part.body)
        if part.is_last:
            documents.append(b"".join(begun))
            begun.clear()
            place = part.place
        if size >= PAGE_BYTES:
            break
    return documents, place


async def _array(parts: AsyncIterator[Part], first: Part | None = None) -> AsyncIterator[bytes]:
    """A JSON array of documents in chunks of 64 KiB; `first` is a part that was taken out already."""
    chunk = bytearray(b"[")
    if first is not None:
        chunk += first.body
    between = first is not None and first.is_last
    async for part in parts:
        if between:
            chunk += b","
        chunk += part.body
        between = part.is_last
        if len(chunk) >= _CHUNK:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk + b"]")


def _with_cursor(request: Request, next_cursor: str) -> str:
    """This request's own path and query with the next cursor: correct behind any proxy."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f"{request.url.path}?{urlencode([*kept, ('cursor', next_cursor)])}"
