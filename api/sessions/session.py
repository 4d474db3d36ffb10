"""`/api/sessions/{id}`: the document of one session, and its events, metrics and history by pages."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field
from pydantic_core import to_json

from api.reading import cursor
from api.reading.coalescing import CoalescedReads
from api.reading.params import Limit, Query, Text, invalid_cursor, query_parameters, read_query
from api.reading.points_in_time import read_point_in_time
from api.reading.reader import Reader
from api.reading.responses import json_response, with_position
from api.sessions.time_travel import TimeTravel
from projections.sessions.views import (
    PROJECTION,
    ServedSession,
    SessionPage,
    SessionRef,
    SessionSites,
    SessionViews,
)
from projections.sessions.window import Order, Window
from runtime.compat.fastapi_routes import DirectRoute
from runtime.http.errors import HttpProblem, session_not_found
from schemas.subjects import is_token
from schemas.times import Timestamp

_CURSORS = {"asc": "along", "desc": "against"}


class SessionQuery(Query):
    """The site of the session, for an id that exists at several sites."""

    site: Text | None = Field(
        None, description="Only this site; default: this server's own, else the only one that has the id."
    )


class PageQuery(SessionQuery):
    """A page of one of a session's lists."""

    since: Timestamp | None = Field(None, description="From this event time on (RFC 3339).")
    until: Timestamp | None = Field(None, description="Before this event time (RFC 3339).")
    order: Order = Field("asc", description="asc: in the order of the event stream; desc: newest first.")
    limit: Limit = Field(50, description="Most items, 1 to 1000.")
    offset: Annotated[int, Field(ge=0, lt=1 << 40)] = Field(
        0, description="Items to skip; ignored with a cursor, which has skipped them already."
    )
    cursor: Text | None = Field(None, description="`next_cursor` of the page before.")

    def window(self) -> Window:
        """The page as the views take it. Raises HttpProblem (400) for a cursor of another list."""
        after = None
        if self.cursor is not None:
            try:
                (after,) = cursor.decode(self.cursor, _CURSORS[self.order], int)
            except cursor.InvalidCursor:
                raise invalid_cursor(self.cursor, "this list and order") from None
        return Window(
            since=self.since,
            until=self.until,
            after=after,
            offset=0 if self.cursor else self.offset,
            limit=self.limit,
            order=self.order,
        )


class MetricsQuery(PageQuery):
    """A page of a session's metrics."""

    name: Text | None = Field(None, description="Only metrics of this name.")


class EventsQuery(MetricsQuery):
    """A page of a session's events."""

    name: Text | None = Field(None, description="Only events of this name.")
    level: Literal["debug", "info", "warning", "error", "critical"] | None = Field(
        None, description="Only events of this level."
    )


class DocumentQuery(SessionQuery):
    """The point in time of a session's document."""

    at: Text | None = Field(
        None,
        description="The session as of a store time (RFC 3339) or a sequence of SESSIONS; default: now.",
    )


class DiffQuery(SessionQuery):
    """The two points in time between which a session is compared."""

    from_: Text = Field(alias="from", description="A store time (RFC 3339) or a sequence of SESSIONS.")
    to: Text | None = Field(None, description="A later store time or sequence; default: now.")
    limit: Limit = Field(1000, description="Most events and most metrics that are listed, 1 to 1000.")


def sessions_router(reader: Reader, views: SessionViews, time_travel: TimeTravel) -> APIRouter:
    """The routes below `/api/sessions/{id}`."""
    router = APIRouter(prefix="/api/sessions/{session_id}", tags=["sessions"], route_class=DirectRoute)

    async def read_sessions(asked: Sequence[SessionRef], longest: int | None) -> Sequence[ServedSession]:
        return await reader.read(lambda conn: views.sessions(conn, asked, longest=longest))

    coalesced = CoalescedReads(read_sessions, queries=max(1, reader.settings.pool_size // 2))

    async def prepare(session_id: str, request: Request) -> None:
        if not is_token(session_id):
            raise session_not_found(session_id)  # nobody could have published it
        await reader.wait_for_positions(PROJECTION, request.headers)

    async def site_of(session_id: str, site: str | None) -> str:
        found = await reader.read(lambda conn: views.sites(conn, session_id, site))
        _check_site(session_id, found)
        return found.sites[0]

    @router.get("", openapi_extra=query_parameters(DocumentQuery))
    async def session(session_id: str, request: Request) -> Response:
        """One session with its state, events, metrics and state history."""
        query = read_query(DocumentQuery, request)
        at = read_point_in_time("at", query.at)
        await prepare(session_id, request)
        if query.at is not None:
            answer = await time_travel.document(await site_of(session_id, query.site), session_id, at)
            return json_response(answer.body, answer.position)
        found = await coalesced.read((session_id, query.site))
        _check_site(session_id, found)
        return json_response(found.body or b"", found.position)

    @router.get("/diff", openapi_extra=query_parameters(DiffQuery))
    async def diff(session_id: str, request: Request) -> Response:
        """What changed in a session between two points in time."""
        query = read_query(DiffQuery, request)
        start, end = read_point_in_time("from", query.from_), read_point_in_time("to", query.to)
        await prepare(session_id, request)
        site = await site_of(session_id, query.site)
        answer = await time_travel.diff(site, session_id, start, end, query.limit)
        return json_response(answer.body, answer.position)

    @router.get("/events", openapi_extra=query_parameters(EventsQuery))
    async def events(session_id: str, request: Request) -> Response:
        """A session's events, a page at a time."""
        query = read_query(EventsQuery, request)
        window = query.window()
        await prepare(session_id, request)
        page = await reader.read(
            lambda conn: views.timeline(
                conn, "event", session_id, query.site, window, name=query.name, level=query.level
            )
        )
        return _page(session_id, page, query.order)

    @router.get("/metrics", openapi_extra=query_parameters(MetricsQuery))
    async def metrics(session_id: str, request: Request) -> Response:
        """A session's metrics, a page at a time."""
        query = read_query(MetricsQuery, request)
        window = query.window()
        await prepare(session_id, request)
        page = await reader.read(
            lambda conn: views.timeline(conn, "metric", session_id, query.site, window, name=query.name)
        )
        return _page(session_id, page, query.order)

    @router.get("/history", openapi_extra=query_parameters(PageQuery))
    async def history(session_id: str, request: Request) -> Response:
        """A session's state after each change, a page at a time."""
        query = read_query(PageQuery, request)
        window = query.window()
        await prepare(session_id, request)
        page = await reader.read(lambda conn: views.history(conn, session_id, query.site, window))
        return _page(session_id, page, query.order)

    return router


def _page(session_id: str, page: SessionPage, order: Order) -> Response:
    _check_site(session_id, page)
    next_cursor = None if page.after is None else cursor.encode(_CURSORS[order], page.after)
    body = b'{"items":%b,"total":%d,"next_cursor":%b}' % (page.items, page.total, to_json(next_cursor))
    return json_response(body, page.position)


def _check_site(session_id: str, found: SessionSites) -> None:
    """Raise HttpProblem unless exactly one site has the session: 404 for none, 409 for several.

    Guessing one of several would show a stranger's session.
    """
    if not found.sites:
        raise session_not_found(session_id)
    if len(found.sites) > 1:
        raise HttpProblem(
            409,
            "Ambiguous session ID",
            f"{session_id} exists at the sites {', '.join(found.sites)}: name one with ?site=",
            headers=with_position(found.position),
        )
