"""`/api/data/sessions`: all sessions, or those that match filters, as a bare array."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import fields
from typing import Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.types import Receive, Scope, Send

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
from api.reading.responses import with_position
from projections.sessions.exports import ExportPage, SessionExports, SessionFilters, Sort, StatusFilter
from projections.sessions.views import PROJECTION
from runtime.http.openapi import Header, operation
from runtime.http.waits import POSITION_HEADER, READ_HEADERS
from schemas.sessions.responses import Session, SessionSummary
from schemas.times import Timestamp, format_time, parse_time
from schemas.validation import InvalidFact

logger = logging.getLogger("foldline.api")

TOTAL: Final = "Foldline-Total"
_ANSWER_HEADERS: Final = (
    Header(TOTAL, "The number of all that match.", {"type": "integer", "minimum": 0}, always=True),
    POSITION_HEADER,
    NEXT_CURSOR_HEADER,
    Header("Link", 'The next page as a URL, `rel="next"`; absent on the last.'),
)
_CHUNK: Final = 64 << 10
_LONGEST_PAGE_S: Final = 60.0
_LONGEST_EXPORT_S: Final = 1800.0

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
            found = await reader.lend(
                stack, lambda conn: exports.open(conn, filters, page), long=query.limit is None
            )
            headers = with_position(found.position, {TOTAL: str(found.total)})
            if found.after is not None:
                next_cursor = cursor.encode(query.sort, *found.after)
                headers[NEXT_CURSOR] = next_cursor
                headers["Link"] = f'<{_with_cursor(request, next_cursor)}>; rel="next"'
            within = _LONGEST_EXPORT_S if query.limit is None else _LONGEST_PAGE_S
            return _ArrayResponse(_array(found.sessions), headers, stack.pop_all(), within=within)

    return router


class _ArrayResponse(StreamingResponse):
    """Sends an array as it is read, and gives the lent connection back whatever becomes of the client."""

    def __init__(
        self, body: AsyncIterator[bytes], headers: dict[str, str], stack: AsyncExitStack, *, within: float
    ) -> None:
        super().__init__(body, media_type="application/json", headers=headers)
        self._stack = stack
        self._within = within

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stack:
            try:
                async with asyncio.timeout(self._within):
                    await super().__call__(scope, receive, send)
            except TimeoutError:
                # The answer stays without its end, so that no client takes it for a whole one.
                logger.warning("a client took more than %.0f s to read a list and was cut off", self._within)


async def _array(sessions: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A JSON array in chunks of 64 KiB."""
    chunk = bytearray(b"[")
    empty = True
    async for session in sessions:
        chunk += session if empty else b"," + session
        empty = False
        if len(chunk) >= _CHUNK:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk + b"]")


def _with_cursor(request: Request, next_cursor: str) -> str:
    """This request's own path and query with the next cursor: correct behind any proxy."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f"{request.url.path}?{urlencode([*kept, ('cursor', next_cursor)])}"
