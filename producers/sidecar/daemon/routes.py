"""The daemon's routes, as the sessions reference and existing clients have them."""

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from producers.sidecar.daemon.reports import Body, Registration, Reports
from producers.sidecar.daemon.requests import (
    EventReport,
    IncrementReport,
    MetricReport,
    ObservationReport,
    SessionQuery,
    SessionReport,
    StateReport,
)
from producers.sidecar.daemon.responses import DaemonHealth, Done, KnownSession, Registered
from producers.sidecar.daemon.watched_session import WatchedSession
from runtime.compat.fastapi_routes import DirectRoute
from runtime.http.bodies import read_body
from runtime.http.errors import HttpProblem, unavailable
from runtime.http.openapi import operation
from schemas.errors import ErrorCode
from schemas.validation import InvalidFact, check_body, parse_json

Report = Callable[[WatchedSession, Body], Awaitable[None]]

_RETRY_S: Final = 10
_BODY_ERRORS: Final = (400, 413, 415)
_DONE: Final = {"success": True, "status": "ok"}


def daemon_router(reports: Reports, max_body: int) -> APIRouter:
    """Make the routes to register a session, to report on it, and to see sessions and health."""
    router = APIRouter(tags=["session daemon"], route_class=DirectRoute)
    sessions = reports.sessions

    async def register(request: Request) -> Response:
        """Begin a session, with or without an event stream; its process is watched from now on."""
        body = _object(await read_body(request, max_body), max_body)
        try:
            return _json({"session_id": await reports.register(body)})
        except sqlite3.Error as exc:
            raise _disk_problem(exc) from exc

    async def health(request: Request) -> Response:
        """Whether the daemon runs; the sidecar's health says how much waits in the spool."""
        return _json({"status": "ok", "sessions": len(sessions.live())})

    async def session(request: Request) -> Response:
        """A session as the daemon knows it; its state is what was last sent, by top-level key."""
        return _json(sessions.find(_session_id(dict(request.query_params))).view())

    async def all_sessions(request: Request) -> Response:
        """All sessions that have not ended, as the daemon knows them."""
        return _json([session.view() for session in sessions.live()])

    def report(work: Report) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            body = _object(await read_body(request, max_body), max_body)
            try:
                async with sessions.turn(_session_id(body)) as session:
                    await work(session, body)
            except sqlite3.Error as exc:
                raise _disk_problem(exc) from exc
            return _json(_DONE)

        return endpoint

    for name, work, body in (
        ("report_state", reports.state, StateReport),
        ("report_event", reports.event, EventReport),
        ("report_metric", reports.metric, MetricReport | IncrementReport | ObservationReport),
        ("report_heartbeat", reports.heartbeat, SessionReport),
        ("pause_heartbeat", reports.pause_heartbeat, SessionReport),
        ("resume_heartbeat", reports.resume_heartbeat, SessionReport),
        ("end_session", reports.end, SessionReport),
    ):
        described = operation(name, Done, request=body, errors=(*_BODY_ERRORS, 404, 503))
        router.add_api_route(
            f"/{work.__name__}", report(work), methods=["POST"], description=work.__doc__, **described
        )
    router.post(
        "/register",
        **operation("register_session", Registered, request=Registration, errors=(*_BODY_ERRORS, 503)),
    )(register)
    router.get("/health", **operation("read_health", DaemonHealth))(health)
    router.head("/health", include_in_schema=False)(health)
    router.get("/session", **operation("read_session", KnownSession, query=SessionQuery, errors=(400, 404)))(
        session
    )
    router.get("/sessions", **operation("list_sessions", list[KnownSession]))(all_sessions)
    return router


def _object(body: bytes, max_body: int) -> Body:
    check_body(body, max_bytes=max_body)
    value = parse_json(body or b"{}")
    if not isinstance(value, dict):
        raise InvalidFact("invalid_json", "the body must be a JSON object")
    return value


def _session_id(parameters: Body) -> str:
    session_id = parameters.get("session_id")
    if not isinstance(session_id, str) or not session_id:
        raise HttpProblem(
            ErrorCode.MISSING_SESSION_ID,
            "session_id is required: the text that POST /register answered",
        )
    return session_id


def _disk_problem(exc: sqlite3.Error) -> HttpProblem:
    return unavailable(f"the daemon cannot write its file daemon.db: {exc}", _RETRY_S)


def _json(body: Any) -> Response:
    return Response(to_json(body), media_type="application/json")
