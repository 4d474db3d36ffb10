"""What is wrong is refused with the documented error, and never with a 500."""

from typing import Any

import pytest

from tests.acceptance.sessions_api import SessionsApi

FACTS = ("state", "events", "metrics", "heartbeat", "end", "crash")
MIB = 1 << 20

INVALID = {
    "broken": (b'{"name":"x",', 400, "Invalid request", "Failed to parse JSON"),
    "two values": (b'{"name":"x"} {}', 400, "Invalid request", "Failed to parse JSON"),
    "not UTF-8": (b'{"name":"\xff","value":1}', 400, "Invalid request", "Failed to parse JSON: not UTF-8"),
    "a raw NUL": (b'{"name":"a\x00b","value":1}', 400, "Invalid request", "Failed to parse JSON"),
    "NaN": (b'{"name":"x","value":NaN}', 400, "Invalid request", ""),
    "infinite": (b'{"name":"x","value":1e999}', 400, "Invalid request", ""),
    "no object": (b"[1]", 400, "Invalid request", "object"),
    "null": (b"null", 400, "Invalid request", "object"),
    "NUL": (b'{"name":"a\\u0000b","value":1}', 400, "Invalid request", "NUL"),
    "NUL in a key": (b'{"name":"x","value":1,"a\\u0000b":1}', 400, "Invalid request", "NUL"),
    "lone surrogate": (b'{"name":"\\ud800","value":1}', 400, "Invalid request", "surrogate"),
    "too deep": (
        b'{"name":"x","value":1,"data":' + b'{"a":' * 200 + b"1" + b"}" * 201,
        400,
        "Invalid request",
        "deep",
    ),
    "absurdly deep": (b"[" * 500_000 + b"]" * 500_000, 400, "Invalid request", "deep"),
    "too large": (b'{"name":"' + b"x" * 2 * MIB + b'"}', 413, "Request body too large", str(MIB)),
}


@pytest.mark.parametrize("what", FACTS)
def test_invalid_bodies(api: SessionsApi, session: str, what: str) -> None:
    before = api.session(session)
    for body, status, title, details in INVALID.values():
        error = api.refused("POST", f"/api/sessions/{session}/{what}", status, content=body)
        assert error["error"] == title
        assert details in error["details"]
    assert api.session(session) == before


def test_invalid_bodies_create_nothing(api: SessionsApi) -> None:
    for body, status, title, details in INVALID.values():
        error = api.refused("POST", "/api/sessions", status, content=body)
        assert error["error"] in (title, "Missing required field")  # where product comes first
        assert title != error["error"] or details in error["details"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("", {"version": "1"}, "product"),
        ("", {"product": "a"}, "version"),
        ("", {}, "product"),
        ("", {"product": "", "version": "1"}, "product"),
        ("/{}/events", {"level": "info"}, "name"),
        ("/{}/events", {"name": ""}, "name"),
        ("/{}/metrics", {"value": 1}, "name"),
        ("/{}/metrics", {"name": "m"}, "value"),
    ],
)
def test_missing_fields(api: SessionsApi, session: str, path: str, body: dict[str, Any], field: str) -> None:
    error = api.refused("POST", "/api/sessions" + path.format(session), 400, json=body)
    assert error == {"error": "Missing required field", "details": f"{field} is required"}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("", {"product": 1, "version": "1"}, "product"),
        ("", {"product": "a", "version": None}, "version"),
        ("", {"product": "a", "version": "1", "machine_id": ["x"]}, "machine_id"),
        ("", {"product": "a" * 513, "version": "1"}, "product"),
        ("", {"product": "a", "version": "1", "session_id": "a.b"}, "session_id"),
        ("", {"product": "a", "version": "1", "session_id": 7}, "session_id"),
        ("", {"product": "a", "version": "1", "timestamp": 1700000000}, "timestamp"),
        ("/{}/events", {"name": 5}, "name"),
        ("/{}/events", {"name": "e", "level": "fatal"}, "level"),
        ("/{}/events", {"name": "e", "labels": "one"}, "labels"),
        ("/{}/events", {"name": "e", "data": []}, "data"),
        ("/{}/events", {"name": "e", "timestamp": "2999-01-01T00:00:00Z"}, "600 s"),
        ("/{}/metrics", {"name": "m", "value": "1"}, "value"),
        ("/{}/metrics", {"name": "m", "value": True}, "value"),
        ("/{}/metrics", {"name": "m", "value": 1, "type": "other"}, "type"),
        ("/{}/state", {"state": {"a": 1}, "timestamp": "noon"}, "timestamp"),
        ("/{}/crash", {"reason": 5}, "reason"),
        ("/{}/heartbeat", {"timestamp": "now"}, "timestamp"),
    ],
)
def test_wrong_types_name_the_field(
    api: SessionsApi, session: str, path: str, body: dict[str, Any], field: str
) -> None:
    error = api.refused("POST", "/api/sessions" + path.format(session), 400, json=body)
    assert error["error"] == "Invalid request"
    assert field in error["details"]


IMPOSSIBLE = (
    "%00",
    "a%00b",
    "%2F",
    "a%2Fb",
    "..%2F..",
    "a.b",
    "%3E",
    "*",
    "%F0%9F%92%A9",
    "%ff%fe",
    "%20",
    "a%0D%0Ab",
    "%22%27%3B--",
    "x" * 129,
    "x" * 5000,
)


@pytest.mark.parametrize("impossible", IMPOSSIBLE)
def test_ids_nobody_could_publish(api: SessionsApi, impossible: str) -> None:
    for method, path in (("GET", ""), ("GET", "/events"), *(("POST", f"/{what}") for what in FACTS)):
        error = api.refused(
            method,
            f"/api/sessions/{impossible}{path}",
            404,
            **({"json": {"name": "n", "value": 1}} if method == "POST" else {}),
        )
        assert error["error"] in ("Session not found", "Not found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/sessions", {"POST"}),
        ("DELETE", "/api/sessions/x", {"GET"}),
        ("GET", "/api/sessions/x/state", {"POST"}),
        ("PUT", "/api/sessions/x/events", {"GET", "POST"}),
        ("DELETE", "/api/sessions/x/metrics", {"GET", "POST"}),
        ("GET", "/api/sessions/x/heartbeat", {"POST"}),
        ("GET", "/api/sessions/x/end", {"POST"}),
        ("POST", "/api/data/sessions", {"GET"}),
        ("POST", "/health", {"GET", "HEAD"}),
    ],
)
def test_wrong_methods(api: SessionsApi, method: str, path: str, allowed: set[str]) -> None:
    response = api.request(method, path)
    error = api.refused(method, path, 405)
    assert error["error"] == "Method not allowed"
    assert set(response.headers["Allow"].split(", ")) == allowed
    assert error["details"] == f"{response.headers['Allow']} required"
