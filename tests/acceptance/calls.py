"""Calls that the acceptance tests share."""

from typing import Any

import httpx

from schemas.subjects import partition_of
from tests.support.settings import PARTITIONS

WRITTEN = {"success": True, "status": "ok"}


def create(http: httpx.Client, **body: Any) -> str:
    """Create a session and return its id."""
    answer = http.post("/api/sessions", json={"product": "P", "version": "1"} | body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def read(http: httpx.Client, session_id: str, *positions: str) -> dict[str, Any]:
    """Return the whole session, not older than `positions`."""
    headers = {"Foldline-Min-Position": ",".join(positions), "Foldline-Wait": "20000"}
    answer = http.get(f"/api/sessions/{session_id}", headers=headers if positions else {})
    assert answer.status_code == 200, answer.text
    session: dict[str, Any] = answer.json()
    return session


def position(session_id: str, sequence: int, stream: str = "SESSIONS") -> str:
    """Return the position of a fact that was published straight to NATS."""
    return f"{stream}/{partition_of(session_id, PARTITIONS)}:{sequence}"


def problem(answer: httpx.Response, status: int, error: str) -> str:
    """Assert that the answer is the documented envelope and return its details."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    body = answer.json()
    assert set(body) == {"error", "details"}
    assert body["error"] == error
    assert body["details"]
    return str(body["details"])
