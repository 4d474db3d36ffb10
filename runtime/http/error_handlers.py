"""Handlers that answer every error of an application in the envelope of its surface."""

from datetime import UTC, datetime
from typing import Final, cast

from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from runtime.http.envelopes import Envelope
from runtime.http.errors import HttpProblem
from schemas.errors import ErrorCode
from schemas.validation import InvalidFact

_SHOWN: Final = 50  # characters of a wrong value
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# The first code of each status, for errors that a framework raises; its 400 and 422 are invalid input.
_BY_STATUS: Final = {code.status: code for code in reversed(ErrorCode) if code.status not in (400, 422)}


def install_error_handlers(app: Starlette, envelope: Envelope) -> None:
    """Make an application answer every error in the envelope: unknown routes, invalid input, our own bugs."""
    app.state.envelope = envelope
    app.router.default = _no_route
    app.add_exception_handler(HttpProblem, _on_problem)
    app.add_exception_handler(InvalidFact, _on_invalid)
    app.add_exception_handler(RequestValidationError, _on_parameters)
    app.add_exception_handler(HTTPException, _on_http)
    # Starlette raises it again after this answer, so that the server logs it with its traceback.
    app.add_exception_handler(Exception, _on_bug)


def answer(envelope: Envelope, problem: HttpProblem) -> Response:
    """Return the answer to a problem. A WebSocket that is not accepted yet can be answered as well."""
    return Response(
        to_json(envelope.render(problem, datetime.now(UTC))),
        envelope.status(problem),
        headers=problem.headers,
        media_type="application/json",
    )


def malformed(envelope: Envelope) -> bytes:
    """Return the body that answers what is no HTTP."""
    problem = HttpProblem(ErrorCode.MALFORMED_REQUEST, "The request is not valid HTTP/1.1")
    return to_json(envelope.render(problem, datetime.now(UTC)))


async def _no_route(scope: Scope, receive: Receive, send: Send) -> None:
    # Starlette's own closes a WebSocket without a word.
    raise HTTPException(404)


def _answer(request: Request, problem: HttpProblem) -> Response:
    return answer(request.app.state.envelope, problem)


async def _on_problem(request: Request, exc: Exception) -> Response:
    return _answer(request, cast(HttpProblem, exc))


async def _on_invalid(request: Request, exc: Exception) -> Response:
    invalid = cast(InvalidFact, exc)
    return _answer(request, HttpProblem(invalid.code, invalid.details))


async def _on_parameters(request: Request, exc: Exception) -> Response:
    first = cast(RequestValidationError, exc).errors()[0]
    name = first["loc"][-1]
    if first["type"] == "missing":
        return _answer(request, HttpProblem(ErrorCode.MISSING_FIELD, f"{name} is required"))
    if first["type"] == "json_invalid":
        return _answer(request, HttpProblem(ErrorCode.INVALID_JSON, "Failed to parse JSON"))
    value = str(first["input"])[:_SHOWN]
    details = f"{name}: {first['msg']}, not {value!r}"
    return _answer(request, HttpProblem(ErrorCode.INVALID_FIELD, details))


async def _on_http(request: Request, exc: Exception) -> Response:
    raised = cast(HTTPException, exc)
    code = _BY_STATUS.get(raised.status_code, ErrorCode.INVALID_REQUEST)
    details, headers = str(raised.detail), raised.headers
    if code is ErrorCode.NOT_FOUND:
        details = f"There is nothing at {request.url.path[:200]}"
    if code is ErrorCode.METHOD_NOT_ALLOWED:
        allowed = _allowed(request)
        details, headers = f"{allowed} required", {"Allow": allowed}
    return _answer(request, HttpProblem(code, details, headers=headers))


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
    details = "The server failed on this request; its log says why"
    return _answer(request, HttpProblem(ErrorCode.INTERNAL_ERROR, details))
