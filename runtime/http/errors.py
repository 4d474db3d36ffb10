"""Errors of the HTTP surfaces, in the envelope that each surface documents."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from schemas.errors import JobError, SessionError
from schemas.validation import InvalidFact

_SHOWN: Final = 50  # characters of a wrong value
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Envelope:
    """The form of a surface's errors.

    `invalid` is the status that answers invalid input. `body` makes the JSON from a short title and a
    sentence with the particulars.
    """

    invalid: int
    body: Callable[[str, str], dict[str, Any]]


SESSIONS: Final = Envelope(
    400, lambda error, details: SessionError(error=error, details=details).model_dump()
)
JOBS: Final = Envelope(422, lambda _, details: JobError(detail=details).model_dump())


class HttpProblem(Exception):
    """An error that is answered in the surface's envelope; status 400 becomes the envelope's `invalid`."""

    def __init__(
        self, status: int, error: str, details: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(details)
        self.status = status
        self.error = error
        self.details = details
        self.headers = headers


def session_not_found(session_id: str) -> HttpProblem:
    """Return the documented error for an unknown session, or an id that nobody could have published."""
    return HttpProblem(404, "Session not found", f"No session with ID {session_id[:200]}")


def unavailable(details: str, retry_after: float = 1.0) -> HttpProblem:
    """Return a 503: a server that is needed is away, and a retry is welcome after `retry_after` seconds."""
    seconds = str(max(1, round(retry_after)))
    return HttpProblem(503, "Service unavailable", details, {"Retry-After": seconds})


def install_error_handlers(app: Starlette, envelope: Envelope) -> None:
    """Make an application answer every error in the envelope: unknown routes, invalid input, our own bugs."""
    app.state.envelope = envelope
    app.add_exception_handler(HttpProblem, _on_problem)
    app.add_exception_handler(InvalidFact, _on_invalid)
    app.add_exception_handler(RequestValidationError, _on_parameters)
    app.add_exception_handler(HTTPException, _on_http)
    # Starlette raises it again after this answer, so that the server logs it with its traceback.
    app.add_exception_handler(Exception, _on_bug)


def _answer(
    request: Request, status: int, error: str, details: str, headers: Mapping[str, str] | None = None
) -> Response:
    envelope: Envelope = request.app.state.envelope
    status = envelope.invalid if status == 400 else status
    return JSONResponse(envelope.body(error, details), status, headers=dict(headers) if headers else None)


async def _on_problem(request: Request, exc: Exception) -> Response:
    problem = cast(HttpProblem, exc)
    return _answer(request, problem.status, problem.error, problem.details, problem.headers)


async def _on_invalid(request: Request, exc: Exception) -> Response:
    invalid = cast(InvalidFact, exc)
    return _answer(request, 413 if invalid.reason == "too_large" else 400, invalid.error, invalid.details)


async def _on_parameters(request: Request, exc: Exception) -> Response:
    first = cast(RequestValidationError, exc).errors()[0]
    name = first["loc"][-1]
    if first["type"] == "missing":
        return _answer(request, 400, "Missing required field", f"{name} is required")
    value = str(first["input"])[:_SHOWN]
    return _answer(request, 400, "Invalid request", f"{name}: {first['msg']}, not {value!r}")


async def _on_http(request: Request, exc: Exception) -> Response:
    problem = cast(HTTPException, exc)
    if problem.status_code == 404:
        return _answer(request, 404, "Not found", f"There is nothing at {request.url.path[:200]}")
    if problem.status_code == 405:
        allowed = _allowed(request)
        return _answer(request, 405, "Method not allowed", f"{allowed} required", {"Allow": allowed})
    return _answer(request, problem.status_code, "Invalid request", str(problem.detail), problem.headers)


def _allowed(request: Request) -> str:
    """Return the methods of a path. Starlette's own header names those of the first route alone."""
    return ", ".join(
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    )


async def _on_bug(request: Request, _: Exception) -> Response:
    return _answer(
        request, 500, "Internal server error", "The server failed on this request; its log says why"
    )
