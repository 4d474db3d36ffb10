"""Errors of every kind on a toy surface, in each of the four envelopes, key by key."""

import ast
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Query, Request, WebSocket
from pydantic import BaseModel

from runtime.compat.fastapi_routes import DirectRoute, add_routes
from runtime.http.bodies import read_body
from runtime.http.envelopes import AGENTS, JOBS, SESSIONS, TRACES, Envelope
from runtime.http.errors import HttpProblem, rate_limited, unavailable
from runtime.http.surface_app import surface_app
from schemas.errors import ErrorCode
from schemas.validation import InvalidFact, parse_json
from tests.support.processes import ROOT

NO_TIME = object()
"""Stands for a time of this minute."""


class Thing(BaseModel):
    name: str


async def fail(how: str, request: Request) -> Any:
    """Raise as routes do."""
    if how == "json":
        parse_json(b'{"a":')
    elif how == "field":
        raise InvalidFact("invalid_field", "name: Input should be a valid string")
    elif how == "large":
        await read_body(request, 10)
    elif how == "often":
        raise rate_limited("Rate limit exceeded. Retry after 60 seconds.", 60)
    elif how == "conflict":
        raise HttpProblem(ErrorCode.CONFLICT, "There is a thing of that name")
    elif how == "syntax":
        extra = {"expression": "span.duration >", "error_position": 15}
        raise HttpProblem(ErrorCode.INVALID_FIELD, "syntax error at column 15", extra=extra)
    elif how == "away":
        raise unavailable("PostgreSQL does not answer", 7)
    elif how == "missing":
        raise HttpProblem(ErrorCode.SESSION_NOT_FOUND, "No session with ID abc-123")
    elif how == "forbidden":
        raise HTTPException(403, "Account disabled")
    else:
        raise RuntimeError("a secret of the inside")


def toy(envelope: Envelope) -> FastAPI:
    """A surface whose routes fail on demand, once served by FastAPI and once directly."""
    app = surface_app("toy", "Toy", envelope)
    usual, direct = FastAPI().router, FastAPI().router
    direct.route_class = DirectRoute
    usual.add_api_route("/usual/{how}", fail, methods=["GET", "POST"])
    direct.add_api_route("/direct/{how}", fail, methods=["GET", "POST"])

    async def things(number: int, limit: Annotated[int, Query(le=100)]) -> int:
        return number * limit

    async def make(thing: Thing) -> str:
        return thing.name

    usual.add_api_route("/things/{number}", things)
    usual.add_api_route("/things", make, methods=["POST"])
    add_routes(app, direct, usual)
    return app


@asynccontextmanager
async def client_of(envelope: Envelope) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(toy(envelope), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        yield client


SENT = {"content": b"x" * 11}
FAILURES: dict[str, tuple[str, str, dict[str, Any], str, str, str]] = {
    # name: method, path, what is sent, code, title, details
    "unknown route": ("GET", "/nothing", {}, "not_found", "Not found", "There is nothing at /nothing"),
    "method": ("DELETE", "/usual/x", {}, "method_not_allowed", "Method not allowed", "GET, POST required"),
    "invalid JSON": (
        "POST",
        "/{}/json",
        {},
        "invalid_json",
        "Invalid request",
        "Failed to parse JSON: EOF while parsing a value at line 1 column 5",
    ),
    "invalid field": (
        "POST",
        "/{}/field",
        {},
        "invalid_field",
        "Invalid request",
        "name: Input should be a valid string",
    ),
    "invalid JSON of a model": (
        "POST",
        "/things",
        {"content": b"{", "headers": {"Content-Type": "application/json"}},
        "invalid_json",
        "Invalid request",
        "Failed to parse JSON",
    ),
    "invalid field of a model": (
        "POST",
        "/things",
        {"json": {"name": 7}},
        "invalid_field",
        "Invalid request",
        "name: Input should be a valid string, not '7'",
    ),
    "missing parameter": (
        "GET",
        "/things/7",
        {},
        "missing_field",
        "Missing required field",
        "limit is required",
    ),
    "too large": (
        "POST",
        "/{}/large",
        SENT,
        "too_large",
        "Request body too large",
        "the body has more than the 10 bytes that are allowed",
    ),
    "too often": (
        "GET",
        "/{}/often",
        {},
        "rate_limit_exceeded",
        "Rate limit exceeded",
        "Rate limit exceeded. Retry after 60 seconds.",
    ),
    "conflict": ("GET", "/{}/conflict", {}, "conflict", "Conflict", "There is a thing of that name"),
    "not found": (
        "GET",
        "/{}/missing",
        {},
        "session_not_found",
        "Session not found",
        "No session with ID abc-123",
    ),
    "away": ("GET", "/{}/away", {}, "unavailable", "Service unavailable", "PostgreSQL does not answer"),
    "forbidden": ("GET", "/usual/forbidden", {}, "forbidden", "Forbidden", "Account disabled"),
    "bug": (
        "GET",
        "/{}/bug",
        {},
        "internal_error",
        "Internal server error",
        "The server failed on this request; its log says why",
    ),
}
STATUS = {
    "not_found": 404,
    "method_not_allowed": 405,
    "too_large": 413,
    "rate_limit_exceeded": 429,
    "conflict": 409,
    "session_not_found": 404,
    "forbidden": 403,
    "internal_error": 500,
    "unavailable": 503,
}


def sessions_body(code: str, title: str, details: str) -> dict[str, Any]:
    body: dict[str, Any] = {"error": title, "details": details}
    return body | ({"retry_after": 60} if code == "rate_limit_exceeded" else {})


def jobs_body(code: str, title: str, details: str) -> dict[str, Any]:
    return {"detail": details}


def traces_body(code: str, title: str, details: str) -> dict[str, Any]:
    body: dict[str, Any] = {"code": code, "message": details}
    return {"error": body | ({"retry_after": 60} if code == "rate_limit_exceeded" else {})}


def agents_body(code: str, title: str, details: str) -> dict[str, Any]:
    if code == "rate_limit_exceeded":
        return {"detail": details, "retry_after": 60}
    return {"detail": details, "error_code": code.upper(), "timestamp": NO_TIME}


ENVELOPES = {
    "sessions": (SESSIONS, 400, sessions_body),
    "jobs": (JOBS, 422, jobs_body),
    "traces": (TRACES, 400, traces_body),
    "agents": (AGENTS, 422, agents_body),
}


@pytest.mark.parametrize("way", ["usual", "direct"])
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("surface", ENVELOPES)
async def test_every_error_in_every_envelope(surface: str, failure: str, way: str) -> None:
    envelope, invalid, body_of = ENVELOPES[surface]
    method, path, sent, code, title, details = FAILURES[failure]
    async with client_of(envelope) as client:
        answer = await client.request(method, path.format(way), **sent)
    body = answer.json()
    expected = body_of(code, title, details)
    if expected.get("timestamp") is NO_TIME:
        expected["timestamp"] = body["timestamp"]
        assert body["timestamp"].endswith("Z")
    assert (answer.status_code, body) == (STATUS.get(code, invalid), expected)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers.get("retry-after") == {"rate_limit_exceeded": "60", "unavailable": "7"}.get(code)
    assert answer.headers.get("allow") == ("GET, POST" if code == "method_not_allowed" else None)
    envelope.model.model_validate(body, extra="forbid")


async def test_particulars_are_in_the_details_of_traces_alone() -> None:
    async with client_of(TRACES) as client:
        traces = await client.get("/direct/syntax")
    assert (traces.status_code, traces.json()) == (
        400,
        {
            "error": {
                "code": "invalid_field",
                "message": "syntax error at column 15",
                "details": {"expression": "span.duration >", "error_position": 15},
            }
        },
    )
    async with client_of(AGENTS) as client:
        assert set((await client.get("/direct/syntax")).json()) == {"detail", "error_code", "timestamp"}


@pytest.mark.parametrize(
    ("path", "details"),
    [
        ("/things/7?limit=5000", "limit: Input should be less than or equal to 100, not '5000'"),
        (
            f"/things/{'x' * 99}?limit=5",
            "number: Input should be a valid integer, unable to parse string as an integer, not "
            f"{'x' * 50!r}",
        ),
    ],
)
async def test_wrong_parameters_are_named_with_their_value(path: str, details: str) -> None:
    async with client_of(SESSIONS) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.json()) == (400, {"error": "Invalid request", "details": details})


async def test_a_websocket_nobody_serves_is_answered_in_the_envelope() -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/nothing",
        "query_string": b"",
        "headers": [],
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    await toy(JOBS)(scope, receive, send)
    assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 404)
    assert sent[1]["body"] == b'{"detail":"There is nothing at /nothing"}'


async def test_a_websocket_may_refuse_in_the_envelope() -> None:
    app = surface_app("toy", "Toy", SESSIONS)

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        raise HttpProblem(ErrorCode.FORBIDDEN, "Account disabled")

    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/live",
        "query_string": b"",
        "headers": [],
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    await app(scope, receive, send)
    assert sent[0]["status"] == 403
    assert sent[1]["body"] == b'{"error":"Forbidden","details":"Account disabled"}'


def test_every_code_has_a_status_of_its_own_or_is_invalid_input() -> None:
    for code in ErrorCode:
        assert code == code.lower()
        assert code.summary
        assert code.status is None or 400 <= code.status < 600


def test_reasons_of_a_fold_are_no_codes() -> None:
    assert InvalidFact("state", "why").code is ErrorCode.INVALID_REQUEST
    assert InvalidFact("too_deep", "why").code is ErrorCode.TOO_DEEP


def test_every_reason_for_a_refusal_at_the_door_is_a_code() -> None:
    """Reasons that only a fold has are in projections and consumers."""
    used = {
        node.args[0].value
        for room in ("schemas", "producers", "runtime", "api")
        for path in (ROOT / room).rglob("*.py")
        if "client" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", None) == "InvalidFact"
        and isinstance(node.args[0], ast.Constant)
    }
    assert {"missing_field", "too_large", "invalid_json"} <= used
    assert used - {str(code) for code in ErrorCode} == set()
