"""Write routes of the sessions surface: `POST /api/sessions…`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal, cast

from fastapi import APIRouter, Request, Response
from pydantic import Field
from pydantic_core import to_json
from typing_extensions import TypedDict

from producers.admission import admit_fact
from producers.http.create_session import create_session
from producers.http.session_surface import WriteSurface
from producers.http.write_headers import WRITE_HEADERS, WriteHeaders
from producers.http.write_response import WRITTEN_HEADERS
from producers.publishing.publisher import BusUnavailable, Conflict
from runtime.compat.fastapi_routes import DirectRoute
from runtime.http.bodies import read_body
from runtime.http.errors import HttpProblem, session_not_found, unavailable
from runtime.http.openapi import operation
from schemas.facts import parse_fact
from schemas.positions import Position
from schemas.registry import DECLARED
from schemas.sessions.facts import SessionCreated, SessionHeartbeat
from schemas.sessions.recovery import recovered
from schemas.sessions.responses import Session
from schemas.subjects import TOKEN, Subject, is_token

logger = logging.getLogger("foldline.http")

Endpoint = Callable[[str, Request], Awaitable[Response]]

# Operation, fact and description by the last part of the path.
_ROUTES: Final = {
    "state": ("change_session_state", "state", "Merge a JSON Merge Patch (RFC 7396): null deletes."),
    "events": ("log_session_event", "event", "Log an event."),
    "metrics": ("record_session_metric", "metric", "Record a metric."),
    "end": ("end_session", "ended", "End the session in order."),
    "crash": ("report_session_crash", "crashed", "Report an abnormal end."),
    "heartbeat": ("send_session_heartbeat", "heartbeat", "Report that the application is alive."),
}
_HUNG_TIMEOUT: Final = 1.0


class WriteAccepted(TypedDict):
    """The answer to every write, as the document and its existing clients have it."""

    success: Literal[True]
    status: Literal["ok"]


class NewSession(SessionCreated):
    """The body of a create: that of `created`, and the id if the client chooses it."""

    session_id: Annotated[str, Field(pattern=f"^{TOKEN.pattern}$")] | None = None


_ACCEPTED: Final = to_json(WriteAccepted(success=True, status="ok"))


def sessions_router(surface: WriteSurface) -> APIRouter:
    """Make the seven write routes. Bodies are validated, and published byte for byte."""
    router = APIRouter(prefix="/api/sessions", tags=["sessions: write"], route_class=DirectRoute)

    async def create(request: Request) -> Response:
        """Begin a session. Its id is `session_id`, else it follows from the `Idempotency-Key`."""
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
        **_write("create_session", NewSession, Session, status=201, errors=(400, 409, 413, 415, 503)),
    )
    for path, (operation_id, fact, description) in _ROUTES.items():
        endpoint = _heartbeat_route(surface) if fact == "heartbeat" else _fact_route(surface, fact)
        router.add_api_route(
            f"/{{session_id}}/{path}",
            endpoint,
            methods=["POST"],
            description=description,
            **_write(
                operation_id,
                DECLARED.fact_types["session", fact].body,
                WriteAccepted,
                errors=(400, 404, 409, 413, 415, 503),
            ),
        )
    return router


def _write(operation_id: str, request: Any, body: Any, **more: Any) -> dict[str, Any]:
    return operation(
        operation_id,
        body,
        request=request,
        request_headers=WRITE_HEADERS,
        response_headers=WRITTEN_HEADERS,
        **more,
    )


def _fact_route(surface: WriteSurface, fact: str) -> Endpoint:
    async def write(session_id: str, request: Request) -> Response:
        position, headers, _ = await _publish(surface, session_id, fact, request)
        return await surface.answer(_ACCEPTED, positions=[position], wait=headers.wait)

    return write


def _heartbeat_route(surface: WriteSurface) -> Endpoint:
    async def beat(session_id: str, request: Request) -> Response:
        position, headers, body = await _publish(surface, session_id, "heartbeat", request)
        host_only = cast(SessionHeartbeat, parse_fact("session", "heartbeat", body)).host_only
        recovery = None if host_only else await _recover(surface, session_id)
        positions = [position, *([recovery] if recovery else [])]
        return await surface.answer(_ACCEPTED, positions=positions, wait=headers.wait)

    return beat


async def _publish(
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
