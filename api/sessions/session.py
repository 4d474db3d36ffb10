"""`/api/sessions/{id}`: the document of one session, and its events, metrics and history by pages."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from api.reading.coalescing import CoalescedReads
from api.reading.params import Query, read_query
from api.reading.points_in_time import read_point_in_time
from api.reading.reader import Reader
from api.reading.responses import json_response, with_position
from api.reading.streamed_response import StreamedResponse, chunked_response
from api.sessions.session_queries import DiffQuery, DocumentQuery, EventsQuery, MetricsQuery, PageQuery
from api.sessions.time_travel import TimeTravel
from projections.sessions.documents import ServedSession, SessionDocuments, SessionRef
from projections.sessions.views import PROJECTION, SessionPage, SessionSites, SessionViews, Timeline
from projections.sessions.window import Window
from runtime.compat.fastapi_routes import DirectRoute
from runtime.database.connections import Connection
from runtime.http.errors import HttpProblem, session_not_found
from runtime.http.openapi import operation
from runtime.http.waits import POSITION_HEADER, READ_HEADERS
from schemas.errors import ErrorCode
from schemas.sessions.responses import EventPage, HistoryPage, MetricPage, Session, SessionDiff
from schemas.subjects import is_token

ReadPage = Callable[[Connection, Window], Awaitable[SessionPage]]


def sessions_router(
    reader: Reader, documents: SessionDocuments, views: SessionViews, time_travel: TimeTravel
) -> APIRouter:
    """The routes below `/api/sessions/{id}`."""
    router = APIRouter(prefix="/api/sessions/{session_id}", tags=["sessions"], route_class=DirectRoute)

    async def read_sessions(asked: Sequence[SessionRef]) -> Sequence[ServedSession]:
        return await reader.read(lambda conn: documents.sessions(conn, asked))

    coalesced = CoalescedReads(read_sessions, queries=max(1, reader.settings.pool_size // 2))

    async def prepare(session_id: str, request: Request) -> None:
        if not is_token(session_id):
            raise session_not_found(session_id)  # nobody could have published it
        await reader.wait_for_positions(PROJECTION, request.headers)

    async def site_of(session_id: str, site: str | None) -> str:
        found = await reader.read(lambda conn: views.sites(conn, session_id, site))
        _check_site(session_id, found)
        return found.sites[0]

    async def page_response(
        session_id: str, request: Request, query: PageQuery, read_page: ReadPage
    ) -> Response:
        window = query.window()
        await prepare(session_id, request)
        page = await reader.read(lambda conn: read_page(conn, window))
        _check_site(session_id, page)
        next_cursor = to_json(query.next_cursor(page.after))
        body = b'{"items":%b,"total":%d,"next_cursor":%b}' % (page.items, page.total, next_cursor)
        return json_response(body, page.position)

    async def timeline(
        kind: Timeline, session_id: str, request: Request, query: MetricsQuery, level: str | None = None
    ) -> Response:
        return await page_response(
            session_id,
            request,
            query,
            lambda conn, window: views.timeline(
                conn, kind, session_id, query.site, window, name=query.name, level=level
            ),
        )

    @router.get("", **_read("read_session", Session, DocumentQuery, 422))
    async def session(session_id: str, request: Request) -> Response:
        """One session with its state, events, metrics and state history."""
        query = read_query(DocumentQuery, request)
        at = read_point_in_time("at", query.at)
        await prepare(session_id, request)
        async with AsyncExitStack() as stack:
            if query.at is not None:
                site = await site_of(session_id, query.site)
                past = await time_travel.document(stack, site, session_id, at)
                return await chunked_response(past.chunks, with_position(past.position), stack)
            found = await coalesced.read((session_id, query.site))
            _check_site(session_id, found)
            if found.document is not None:
                return await chunked_response(found.chunks(), with_position(found.position), stack)
            large = await reader.lend(
                stack, lambda conn: documents.open(conn, session_id, query.site), long=True
            )
            _check_site(session_id, large)
            return StreamedResponse(large.chunks, with_position(large.position), stack.pop_all())

    @router.get("/diff", **_read("compare_session", SessionDiff, DiffQuery, 422))
    async def diff(session_id: str, request: Request) -> Response:
        """The changes of a session between two points in time."""
        query = read_query(DiffQuery, request)
        start, end = read_point_in_time("from", query.from_), read_point_in_time("to", query.to)
        await prepare(session_id, request)
        site = await site_of(session_id, query.site)
        answer = await time_travel.diff(site, session_id, start, end, query.limit)
        return json_response(answer.body, answer.position)

    @router.get("/events", **_read("list_session_events", EventPage, EventsQuery))
    async def events(session_id: str, request: Request) -> Response:
        """A session's events, a page at a time."""
        query = read_query(EventsQuery, request)
        return await timeline("event", session_id, request, query, level=query.level)

    @router.get("/metrics", **_read("list_session_metrics", MetricPage, MetricsQuery))
    async def metrics(session_id: str, request: Request) -> Response:
        """A session's metrics, a page at a time."""
        return await timeline("metric", session_id, request, read_query(MetricsQuery, request))

    @router.get("/history", **_read("list_session_history", HistoryPage, PageQuery))
    async def history(session_id: str, request: Request) -> Response:
        """A session's state after each change, a page at a time."""
        query = read_query(PageQuery, request)
        return await page_response(
            session_id,
            request,
            query,
            lambda conn, window: views.history(conn, session_id, query.site, window),
        )

    return router


def _read(operation_id: str, answer: Any, query: type[Query], *errors: int) -> dict[str, Any]:
    return operation(
        operation_id,
        answer,
        query=query,
        request_headers=READ_HEADERS,
        response_headers=(POSITION_HEADER,),
        errors=(400, 404, 409, *errors, 503),
    )


def _check_site(session_id: str, found: SessionSites) -> None:
    """Raise HttpProblem unless exactly one site has the session: 404 for none, 409 for several.

    Guessing one of several would show a stranger's session.
    """
    if not found.sites:
        raise session_not_found(session_id)
    if len(found.sites) > 1:
        raise HttpProblem(
            ErrorCode.AMBIGUOUS_SESSION_ID,
            f"{session_id} exists at the sites {', '.join(found.sites)}: name one with ?site=",
            headers=with_position(found.position),
        )
