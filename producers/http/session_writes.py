"""Write routes of the sessions surface: `POST /api/sessions…`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, cast

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from producers.admission import admit_fact
from producers.http.create_session import create_session
from producers.http.session_surface import WriteSurface
from producers.http.write_headers import WriteHeaders
from producers.publishing.publisher import BusUnavailable, Conflict
from runtime.compat.fastapi_routes import DirectRoute
from runtime.http.bodies import read_body
from runtime.http.errors import HttpProblem, session_not_found, unavailable
from runtime.http.openapi import request_body
from schemas.errors import SessionError
from schemas.facts import parse_fact
from schemas.positions import Position
from schemas.sessions.facts import SessionHeartbeat, documented_body
from schemas.sessions.recovery import recovered
from schemas.subjects import Subject, is_token

logger = logging.getLogger("foldline.http")

Endpoint = Callable[[str, Request], Awaitable[Response]]

_ROUTES: Final = {
    "state": ("state", "Change the state by JSON Merge Patch (RFC 7396): null deletes"),
    "events": ("event", "Log an event"),
    "metrics": ("metric", "Record a metric"),
    "end": ("ended", "End the session in order"),
    "crash": ("crashed", "Report an abnormal end"),
}
_HUNG_TIMEOUT: Final = 1.0


class WriteAccepted(BaseModel):
    """The answer to every write, as the document and its existing clients have it."""

    success: Literal[True] = True
    status: Literal["ok"] = "ok"


_ACCEPTED: Final = WriteAccepted().model_dump_json().encode()
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": SessionError} for status in (400, 404, 413, 503)
}


def sessions_router(surface: WriteSurface) -> APIRouter:
    """Make the seven write routes. Bodies are validated, and published byte for byte."""
    router = APIRouter(prefix="/api/sessions", tags=["sessions: write"], route_class=DirectRoute)

    async def create(request: Request) -> Response:
        headers = WriteHeaders.of(request.headers, surface.settings)
        body = await read_body(request, surface.settings.max_body)
        created = await create_session(surface, body, headers)
        return await surface.answer(
            created.document.as_json(), positions=[created.position], wait=headers.wait, status=201
        )

    router.add_api_route(
        "",
        create,
        methods=["POST"],
        name="create_session",
        status_code=201,
        summary="Create a session",
        openapi_extra=_body_of("created"),
        responses={**_ERRORS, 409: {"model": SessionError}},
    )
    for path, (fact, summary) in _ROUTES.items():
        _add(router, path, fact, _fact_route(surface, fact), summary)
    _add(router, "heartbeat", "heartbeat", _heartbeat_route(surface), "Report that the application is alive")
    return router


def _add(router: APIRouter, path: str, fact: str, endpoint: Endpoint, summary: str) -> None:
    router.add_api_route(
        f"/{{id}}/{path}",
        endpoint,
        methods=["POST"],
        name=f"{fact}_session",
        summary=summary,
        openapi_extra=_body_of(fact),
        response_model=WriteAccepted,
        responses=_ERRORS,
    )


def _body_of(fact: str) -> dict[str, Any]:
    return request_body(documented_body(fact))


def _fact_route(surface: WriteSurface, fact: str) -> Endpoint:
    async def write(id: str, request: Request) -> Response:  # noqa: A002 - the document's name for it
        position, headers, _ = await _write(surface, id, fact, request)
        return await surface.answer(_ACCEPTED, positions=[position], wait=headers.wait)

    return write


def _heartbeat_route(surface: WriteSurface) -> Endpoint:
    async def beat(id: str, request: Request) -> Response:  # noqa: A002 - the document's name for it
        position, headers, body = await _write(surface, id, "heartbeat", request)
        host_only = cast(SessionHeartbeat, parse_fact("session", "heartbeat", body)).host_only
        recovery = None if host_only else await _recover(surface, id)
        positions = [position, *([recovery] if recovery else [])]
        return await surface.answer(_ACCEPTED, positions=positions, wait=headers.wait)

    return beat


async def _write(
    surface: WriteSurface, session_id: str, fact: str, request: Request
) -> tuple[Position, WriteHeaders, bytes]:
    """Publish one fact of a session; answers its position. Raises InvalidFact, HttpProblem."""
    settings = surface.settings
    headers = WriteHeaders.of(request.headers, settings)
    body = await read_body(request, settings.max_body)
    if not is_token(session_id):
        raise session_not_found(session_id)
    admitted = admit_fact(
        Subject(settings.site, "session", session_id, fact),
        body,
        key=headers.key,
        headers=headers.passed_on,
        now=surface.now(),
        max_bytes=settings.max_body,
    )
    try:
        exists = await surface.existence.exists(settings.site, "session", session_id)
    except BusUnavailable as exc:
        raise unavailable(str(exc), exc.retry_after) from exc
    if not exists:
        raise session_not_found(session_id)
    ack = await surface.publish(admitted)
    return ack.position, headers, body


async def _recover(surface: WriteSurface, session_id: str) -> Position | None:
    """Publish the recovery if the session was hung; what fails here the liveness reactor makes good."""
    site = surface.settings.site
    try:
        async with asyncio.timeout(_HUNG_TIMEOUT):
            hang = await surface.hung(site, session_id)
        if hang is None:
            return None
        fact = recovered(site, session_id, hang.hung_seq, surface.now())
        return (await surface.publish(fact, expected_last=hang.last_seq)).position
    except (Conflict, HttpProblem):
        return None
    except Exception:  # the heartbeat is stored: a read model that is away must not fail it
        logger.warning("session %s: cannot tell whether it was hung", session_id, exc_info=True)
        return None
