"""Errors of the HTTP surfaces, in the documented envelope."""

from collections.abc import Mapping
from typing import Final, cast

from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from schemas.errors import SessionError
from schemas.validation import InvalidFact

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class SessionProblem(Exception):
    """An answer other than success, in the sessions surface's envelope."""

    def __init__(
        self, status: int, error: str, details: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(details)
        self.status = status
        self.error = error
        self.details = details
        self.headers = headers


def session_not_found(session_id: str) -> SessionProblem:
    """No such session, or an id nobody could have published."""
    return SessionProblem(404, "Session not found", f"No session with ID {session_id[:200]}")


def unavailable(details: str, retry_after: float = 1.0) -> SessionProblem:
    """Something this needs is away; the client may try again after `retry_after` seconds."""
    seconds = str(max(1, round(retry_after)))
    return SessionProblem(503, "Service unavailable", details, {"Retry-After": seconds})


def install_error_handlers(app: Starlette) -> None:
    """Answer every error in the envelope: unknown paths and methods, invalid input, our own bugs."""
    app.add_exception_handler(SessionProblem, _on_problem)
    app.add_exception_handler(InvalidFact, _on_invalid)
    app.add_exception_handler(RequestValidationError, _on_parameters)
    app.add_exception_handler(HTTPException, _on_http)
    # Starlette raises it again after this answer, so that the server logs it with its traceback.
    app.add_exception_handler(Exception, _on_bug)


def _answer(status: int, error: str, details: str, headers: Mapping[str, str] | None = None) -> Response:
    body = SessionError(error=error, details=details).model_dump()
    return JSONResponse(body, status, headers=dict(headers) if headers else None)


async def _on_problem(_: Request, exc: Exception) -> Response:
    problem = cast(SessionProblem, exc)
    return _answer(problem.status, problem.error, problem.details, problem.headers)


async def _on_invalid(_: Request, exc: Exception) -> Response:
    invalid = cast(InvalidFact, exc)
    return _answer(413 if invalid.reason == "too_large" else 400, invalid.error, invalid.details)


async def _on_parameters(_: Request, exc: Exception) -> Response:
    first = cast(RequestValidationError, exc).errors()[0]
    return _answer(400, "Invalid request", f"{first['loc'][-1]}: {first['msg']}")


async def _on_http(request: Request, exc: Exception) -> Response:
    problem = cast(HTTPException, exc)
    if problem.status_code == 404:
        return _answer(404, "Not found", f"There is nothing at {request.url.path[:200]}")
    if problem.status_code == 405:
        allowed = _allowed(request)
        return _answer(405, "Method not allowed", f"{allowed} required", {"Allow": allowed})
    return _answer(problem.status_code, "Invalid request", str(problem.detail), problem.headers)


def _allowed(request: Request) -> str:
    """The methods of a path. Starlette's own header has those of the first route alone."""
    return ", ".join(
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    )


async def _on_bug(_: Request, __: Exception) -> Response:
    return _answer(500, "Internal server error", "The server failed on this request; its log says why")
