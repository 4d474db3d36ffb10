"""What is not there: sessions, ids nobody could publish, paths. Always 404 in the documented envelope."""

import pytest

from tests.acceptance.sessions_api import SessionsApi

READS = ("", "/events", "/metrics", "/history")
WRITES = ("/state", "/events", "/metrics", "/heartbeat", "/end", "/crash")
BODY = {"name": "n", "value": 1}


@pytest.mark.parametrize("unknown", ["abc-123", "00000000-0000-0000-0000-000000000000", "x" * 128])
def test_unknown_sessions(api: SessionsApi, unknown: str) -> None:
    wanted = {"error": "Session not found", "details": f"No session with ID {unknown}"}
    for path in READS:
        assert api.refused("GET", f"/api/sessions/{unknown}{path}", 404) == wanted
    for path in WRITES:
        assert api.refused("POST", f"/api/sessions/{unknown}{path}", 404, json=BODY) == wanted


@pytest.mark.parametrize(
    "impossible",
    [
        "%00",
        "a%00b",
        "%2F",
        "a%2Fb",
        "..%2F..",
        "a.b",
        "%3E",
        "*",
        "%F0%9F%92%A9",
        "caf%C3%A9",
        "%ff%fe",
        "%20",
        "a%0D%0Ab",
        "%22%27%3B--",
        "x" * 129,
        "x" * 5000,
    ],
)
def test_ids_nobody_could_publish(api: SessionsApi, impossible: str) -> None:
    for path in READS:
        error = api.refused("GET", f"/api/sessions/{impossible}{path}", 404)
        assert error["error"] in ("Session not found", "Not found")  # a slash makes it another path
    for path in WRITES:
        error = api.refused("POST", f"/api/sessions/{impossible}{path}", 404, json=BODY)
        assert error["error"] in ("Session not found", "Not found")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/api/sessions/",
        "/api/sessions//state",
        "/api/sessions/S1/",
        "/api/sessions/S1/nothing",
        "/v1/other",
        "/%00",
    ],
)
def test_unknown_paths(api: SessionsApi, path: str) -> None:
    for method in ("GET", "POST"):
        error = api.refused(method, path, 404)
        assert error["error"] == "Not found"
