"""The daemon's routes, as the sessions reference and its clients know them."""

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from producers.sidecar.daemon.reports import Body, Registration, Reports
from producers.sidecar.daemon.session import Session
from runtime.compat.fastapi_routes import DirectRoute
from runtime.http.bodies import read_body
from runtime.http.errors import HttpProblem, unavailable
from runtime.http.openapi import request_body
from schemas.errors import SessionError
from schemas.validation import InvalidFact, check_body, parse_json

Report = Callable[[Session, Body], Awaitable[None]]

_RETRY_S: Final = 10
_DONE: Final = {"success": True, "status": "ok"}
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": SessionError} for status in (400, 404, 413, 503)
}


def daemon_router(reports: Reports, max_body: int) -> APIRouter:
    """`POST /register` and the reports of a session, `GET /health`, `/session` and `/sessions`."""
    router = APIRouter(tags=["session daemon"], route_class=DirectRoute)
    sessions = reports.sessions

    async def register(request: Request) -> Response:
        """Begin a session, whether or not the line answers; its process is watched from now on."""
        body = _object(await read_body(request, max_body), max_body)
        try:
            return _json({"session_id": await reports.register(body)})
        except sqlite3.Error as exc:
            raise _no_disk(exc) from exc

    async def health(request: Request) -> Response:
        """Whether the daemon runs; what waits for the line is the sidecar's to tell."""
        return _json({"status": "ok", "sessions": len(sessions.live())})

    async def session(request: Request) -> Response:
        """A session as the daemon knows it: its state is what was last sent, by top-level key."""
        return _json(sessions.find(_named(dict(request.query_params))).view())

    async def all_sessions(request: Request) -> Response:
        """Those that have not ended, likewise."""
        return _json([session.view() for session in sessions.live()])

    def report(work: Report) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            body = _object(await read_body(request, max_body), max_body)
            try:
                async with sessions.turn(_named(body)) as session:
                    await work(session, body)
            except sqlite3.Error as exc:
                raise _no_disk(exc) from exc
            return _json(_DONE)

        return endpoint

    for work in (
        reports.state,
        reports.event,
        reports.metric,
        reports.heartbeat,
        reports.pause_heartbeat,
        reports.resume_heartbeat,
        reports.end,
    ):
        name = work.__name__
        router.add_api_route(
            f"/{name}",
            report(work),
            methods=["POST"],
            name=name,
            summary=work.__doc__,
            responses=_ERRORS,
        )
    router.add_api_route(
        "/register",
        register,
        methods=["POST"],
        openapi_extra=request_body(Registration),
        responses=_ERRORS,
    )
    router.add_api_route("/health", health, methods=["GET", "HEAD"])
    router.add_api_route("/session", session, methods=["GET"], responses=_ERRORS)
    router.add_api_route("/sessions", all_sessions, methods=["GET"])
    return router


def _object(body: bytes, max_body: int) -> Body:
    check_body(body, max_bytes=max_body)
    value = parse_json(body or b"{}")
    if not isinstance(value, dict):
        raise InvalidFact("invalid_json", "a request is a JSON object")
    return value


def _named(parameters: Body) -> str:
    session_id = parameters.get("session_id")
    if not isinstance(session_id, str) or not session_id:
        raise HttpProblem(400, "Missing session_id parameter", "session_id is required")
    return session_id


def _no_disk(exc: sqlite3.Error) -> HttpProblem:
    return unavailable(f"the daemon's memory cannot be written: {exc}", _RETRY_S)


def _json(body: Any) -> Response:
    return Response(to_json(body), media_type="application/json")
