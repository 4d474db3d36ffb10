"""More of the sessions endpoints: optional fields, hangs, forms."""

from typing import Any

import pytest

from tests.acceptance.calls import WRITTEN
from tests.acceptance.sessions_api import SessionsApi


@pytest.mark.parametrize(
    "extra", [{}, {"hostname": None, "machine_id": None}, {"hostname": "", "machine_id": ""}]
)
def test_what_is_optional_may_be_absent(api: SessionsApi, extra: dict[str, Any]) -> None:
    answer = api.http.post("/api/sessions", json={"product": "P", "version": "1"} | extra)
    session = answer.json()
    assert answer.status_code == 201
    assert (session["hostname"], session["machine_id"]) == (None, None)
    assert api.session(session["id"]) == session


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_heartbeat_ends_a_hang(api: SessionsApi, body: bytes) -> None:
    session_id = api.create()
    before = api.session(session_id)
    assert "last_heartbeat" not in before
    api.write(session_id, "events", {"name": "application_appears_hung"})
    assert api.session(session_id)["hung"] is True
    answer = api.http.post(f"/api/sessions/{session_id}/heartbeat", content=body)
    assert (answer.status_code, answer.json()) == (200, WRITTEN)
    session = api.session(session_id)
    assert session["hung"] is False
    assert [event["name"] for event in session["events"]] == [
        "application_appears_hung",
        "application_recovered",
    ]
    assert session["last_heartbeat"] > before["updated_at"]
    assert session["updated_at"] >= session["last_heartbeat"]


def test_the_content_type_does_not_matter(api: SessionsApi) -> None:
    answer = api.http.post(
        "/api/sessions",
        content=b'{"product":"P","version":"1"}',
        headers={"Content-Type": "application/x-www-form-urlencoded"},  # what curl -d says
    )
    assert answer.status_code == 201
