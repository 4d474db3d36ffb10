"""Every error body of the sessions and jobs documents, on the real surfaces, key by key.

A text that ends in … is the beginning of ours: the document gives no more of it.
"""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from foldline.api_process import ApiProcess
from foldline.settings import Settings
from foldline.surface_apps import create_app
from foldline.surfaces import API
from foldline.surfaces import JOBS as JOBS_SURFACE
from tests.support.daemon_host import DaemonHost
from tests.support.http import http_client
from tests.support.jobs import job_event
from tests.support.jobs_api import JobsApi

JSON = {"Content-Type": "application/json"}
GZIP = {"Content-Encoding": "gzip"}
APP = {"product": "MyApplication", "version": "1.0.0"}
MIB = 1 << 20


async def assert_answers(
    client: httpx.AsyncClient, request: tuple[str, str, Mapping[str, Any]], status: int, body: dict[str, str]
) -> None:
    """Ask, and compare status and body: the keys in their order, and the texts."""
    method, path, sent = request
    answer = await client.request(method, path, **sent)
    told = answer.json()
    assert (answer.status_code, list(told)) == (status, list(body)), (request, told)
    assert answer.headers["content-type"] == "application/json"
    for key, text in body.items():
        beginning = text.removesuffix("…")
        assert told[key] == text or (beginning != text and told[key].startswith(beginning)), (request, told)


def error(title: str, details: str) -> dict[str, str]:
    return {"error": title, "details": details}


def missing(field: str) -> dict[str, str]:
    return error("Missing required field", f"{field} is required")


NOT_JSON = error("Invalid request", "Failed to parse JSON…")
NO_SESSION = error("Session not found", "No session with ID abc-123")
WRITES = {
    "state": {"status": "running"},
    "events": {"name": "user_login"},
    "metrics": {"name": "response_time", "value": 123.45},
    "heartbeat": {},
    "end": {},
    "crash": {},
}

# What the document says, the request, status and body.
SESSIONS: list[tuple[str, tuple[str, str, dict[str, Any]], int, dict[str, str]]] = [
    *(
        (
            "400: missing required fields",
            ("POST", f"/api/sessions{path}", {"json": body}),
            400,
            missing(field),
        )
        for path, body, field in (
            ("", {}, "product"),
            ("", {"version": "1.0.0"}, "product"),
            ("", {"product": "MyApplication"}, "version"),
            ("", {"product": "", "version": "1.0.0"}, "product"),
            ("/{id}/events", {"level": "info"}, "name"),
            ("/{id}/metrics", {"value": 1}, "name"),
            ("/{id}/metrics", {"name": "fps"}, "value"),
        )
    ),
    *(
        ("400: invalid input", ("POST", f"/api/sessions{path}", {"content": b"{"}), 400, NOT_JSON)
        for path in ("", *(f"/{{id}}/{what}" for what in WRITES))
    ),
    (
        "400: invalid input",
        ("POST", "/api/sessions", {"json": {"product": 1, "version": "1"}}),
        400,
        error("Invalid request", "product: Input should be a valid string"),
    ),
    (
        "400: an invalid level",
        ("POST", "/api/sessions/{id}/events", {"json": {"name": "e", "level": "fatal"}}),
        400,
        error("Invalid request", "level: Input should be 'debug', 'info', 'warning', 'error' or 'critical'"),
    ),
    (
        "400: broken gzip",
        ("POST", "/api/sessions", {"content": b"nothing of the kind", "headers": GZIP}),
        400,
        error("Invalid request", "Failed to decompress request"),
    ),
    ("404: session not found", ("GET", "/api/sessions/abc-123", {}), 404, NO_SESSION),
    *(
        ("404: session not found", ("POST", f"/api/sessions/abc-123/{what}", {"json": body}), 404, NO_SESSION)
        for what, body in WRITES.items()
    ),
    (
        "404: unknown sub-path",
        ("GET", "/api/sessions/{id}/nothing", {}),
        404,
        error("Not found", "There is nothing at /api/sessions/{id}/nothing"),
    ),
    (
        "405: method not allowed",
        ("GET", "/api/sessions", {}),
        405,
        error("Method not allowed", "POST required"),
    ),
    (
        "405: method not allowed",
        ("DELETE", "/api/data/sessions", {}),
        405,
        error("Method not allowed", "GET required"),
    ),
    (
        "ours: too large",
        ("POST", "/api/sessions", {"content": b" " * (MIB + 1)}),
        413,
        error("Request body too large", f"the body has more than the {MIB} bytes that are allowed"),
    ),
    (
        "ours: an encoding nobody knows",
        ("POST", "/api/sessions", {"content": b"x", "headers": {"Content-Encoding": "br"}}),
        415,
        error("Unsupported content encoding", "'br' is not supported: send gzip, or no Content-Encoding"),
    ),
    (
        "ours: a parameter nobody knows",
        ("GET", "/api/data/sessions?colour=red", {}),
        400,
        error("Invalid parameter", "colour: unknown parameter; known are …"),
    ),
    (
        "ours: a session that exists",
        ("POST", "/api/sessions", {"json": {**APP, "session_id": "{id}"}}),
        409,
        error("Session already exists", "There is a session with ID {id}"),
    ),
]


def filled(value: Any, session_id: str) -> Any:
    """Put the session's id into a request or an expected body."""
    if isinstance(value, str):
        return value.replace("{id}", session_id)
    if isinstance(value, dict):
        return {key: filled(one, session_id) for key, one in value.items()}
    return tuple(filled(one, session_id) for one in value) if isinstance(value, tuple) else value


async def test_errors_of_the_sessions_document(surface: httpx.AsyncClient) -> None:
    created = await surface.post("/api/sessions", json=APP, headers={"Foldline-Wait": "0"})
    assert created.status_code == 201
    session_id = created.json()["id"]
    for _, request, status, body in SESSIONS:
        await assert_answers(surface, filled(request, session_id), status, filled(body, session_id))


async def test_a_bug_of_ours_is_the_documented_500(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = ApiProcess(settings)
    sessions, jobs = create_app(API, process), create_app(JOBS_SURFACE, process)

    def broken(*_: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr("producers.http.session_writes.create_session", broken)
    monkeypatch.setattr("api.jobs.jobs.read_query", broken)
    async with process.bootstrap.started():
        for app, request, body in (
            (
                sessions,
                ("POST", "/api/sessions", {"json": APP}),
                error("Internal server error", "The server failed on this request; its log says why"),
            ),
            (
                jobs,
                ("GET", "/v1/jobs/J1", {}),
                {"detail": "The server failed on this request; its log says why"},
            ),
        ):
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                await assert_answers(client, request, 500, body)


def detail(text: str) -> dict[str, str]:
    return {"detail": text}


EVENT = job_event("J1")
NO_KIND = {**EVENT, "event": {"at": "2025-10-19T12:00:00Z"}}
FUTURE = {**EVENT, "event": {"kind": "started", "at": "2999-01-01T00:00:00Z"}}
INGEST: list[tuple[str, tuple[str, str, dict[str, Any]], int, dict[str, str]]] = [
    (
        "422: bad body",
        ("POST", "/v1/ingest/events", {"content": b"{", "headers": JSON}),
        422,
        detail("Failed to parse JSON…"),
    ),
    (
        "422: bad body",
        ("POST", "/v1/ingest/events", {"json": NO_KIND}),
        422,
        detail("event.kind is required"),
    ),
    ("422: an event of the future", ("POST", "/v1/ingest/events", {"json": FUTURE}), 422, detail("…")),
    (
        "422: a batch that is none",
        ("POST", "/v1/ingest/events:batch", {"json": {}}),
        422,
        detail("a batch must be a JSON array of events"),
    ),
    (
        "405: method not allowed",
        ("GET", "/v1/ingest/events", {}),
        405,
        detail("POST required"),
    ),
    (
        "ours: too large",
        ("POST", "/v1/ingest/events", {"content": b" " * (MIB + 1)}),
        413,
        detail(f"the body has more than the {MIB} bytes that are allowed"),
    ),
    ("404: unknown path", ("GET", "/v1/nothing", {}), 404, detail("There is nothing at /v1/nothing")),
]
JOBS = [
    *INGEST,
    *(
        (
            "422: limit outside 1 to 10,000",
            ("GET", f"{path}?limit={limit}", {}),
            422,
            detail(f"limit: '{limit}' …"),
        )
        for path in ("/v1/jobs", "/v1/subjobs")
        for limit in (0, 10_001)
    ),
    ("422: a status nobody knows", ("GET", "/v1/jobs?status=done", {}), 422, detail("status: …")),
    ("422: from is no time", ("GET", "/v1/jobs?from=noon", {}), 422, detail("from: 'noon' …")),
    ("ours: a job nobody knows", ("GET", "/v1/jobs/J9", {}), 404, detail("No job with ID J9")),
    ("405: method not allowed", ("POST", "/v1/jobs", {}), 405, detail("GET required")),
]


async def test_errors_of_the_jobs_document(jobs: JobsApi) -> None:
    for _, request, status, body in JOBS:
        await assert_answers(jobs.http, request, status, body)


DAEMON: list[tuple[str, tuple[str, str, dict[str, Any]], int, dict[str, str]]] = [
    (
        "400: missing session_id",
        ("POST", "/event", {"json": {"name": "e"}}),
        400,
        error(
            "Missing session_id parameter", "session_id is required: the text that POST /register answered"
        ),
    ),
    ("404: session not found", ("POST", "/end", {"json": {"session_id": "abc-123"}}), 404, NO_SESSION),
    ("404: session not found", ("GET", "/session?session_id=abc-123", {}), 404, NO_SESSION),
    ("400: invalid input", ("POST", "/register", {"content": b"{"}), 400, NOT_JSON),
    ("405", ("GET", "/register", {}), 405, error("Method not allowed", "POST required")),
    ("unknown path", ("GET", "/nothing", {}), 404, error("Not found", "There is nothing at /nothing")),
]


async def test_errors_of_the_sidecar_and_of_the_daemon(daemon_host: DaemonHost) -> None:
    await daemon_host.start()
    ports = daemon_host.settings
    for port, table in ((ports.sidecar_port, INGEST), (ports.daemon_port, DAEMON)):
        async with http_client(f"http://127.0.0.1:{port}", timeout=30) as client:
            for _, request, status, body in table:
                await assert_answers(client, request, status, body)
