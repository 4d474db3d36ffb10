"""Every write endpoint of the sessions reference, with its own examples."""

from typing import Any

import pytest

from tests.acceptance.sessions_api import SessionsApi, names

KEYS = {
    "id",
    "session_id",
    "site",
    "created_at",
    "updated_at",
    "ended_at",
    "active",
    "suspended",
    "crashed",
    "hung",
    "machine_id",
    "hostname",
    "state",
    "events",
    "metrics",
    "state_history",
}


def test_create_answers_the_whole_session(api: SessionsApi, unique: str) -> None:
    body = {"product": "MyApplication", "version": "1.0.0", "hostname": "localhost", "machine_id": unique}
    response = api.request("POST", "/api/sessions", json=body)
    assert response.status_code == 201
    assert response.headers["Foldline-Position"].startswith("SESSIONS/")
    created = response.json()
    assert created.keys() == KEYS
    assert created["id"] == created["session_id"]
    state = {"product": "MyApplication", "version": "1.0.0"}
    flags = {"active": True, "crashed": False, "hung": False, "suspended": False}
    lists: dict[str, Any] = {"events": [], "metrics": [], "ended_at": None}
    fields = {"state": state, "machine_id": unique, "hostname": "localhost", "site": "local"}
    assert created | flags | lists | fields == created
    assert created["created_at"] == created["updated_at"]
    assert created["state_history"] == [{"timestamp": created["created_at"], "state": state}]
    assert created == api.session(created["id"])


@pytest.mark.parametrize(
    "extra", [{}, {"hostname": None, "machine_id": None}, {"hostname": "", "machine_id": ""}]
)
def test_what_is_optional_may_be_absent(api: SessionsApi, extra: dict[str, Any]) -> None:
    answer = api.request("POST", "/api/sessions", json={"product": "P", "version": "1"} | extra)
    session = answer.json()
    assert answer.status_code == 201
    assert (session["hostname"], session["machine_id"]) == (None, None)
    assert api.session(session["id"]) == session


def test_create_takes_an_id_once(api: SessionsApi, unique: str) -> None:
    assert api.create(session_id=unique) == unique
    body = {"product": "a", "version": "1", "session_id": unique}
    error = api.refused("POST", "/api/sessions", 409, json=body)
    assert error == {"error": "Session already exists", "details": f"There is a session with ID {unique}"}


def test_state_is_merged_at_every_depth(api: SessionsApi, session: str) -> None:
    api.write(session, "state", {"product": "TestApp", "nested": {"field1": "old", "field2": "preserved"}})
    api.write(session, "state", {"status": "running", "nested": {"field1": "new"}})
    nested = {"field1": "new", "field2": "preserved"}
    merged = {"product": "TestApp", "version": "1", "status": "running", "nested": nested}
    assert api.session(session)["state"] == merged
    api.write(session, "state", {"status": None})
    api.write(
        session, "state", {"nested": {"field2": None, "list": [1, None, {"a": None}], "x": {"y": None}}}
    )
    document = api.session(session)
    after = {"field1": "new", "list": [1, None, {"a": None}], "x": {}}
    assert document["state"] == {"product": "TestApp", "version": "1", "nested": after}
    history = [snapshot["state"] for snapshot in document["state_history"]]
    assert len(history) == 5
    assert history[0] == {"product": "P", "version": "1"}
    assert (history[2], history[4]) == (merged, document["state"])


def test_events_as_documented(api: SessionsApi, session: str) -> None:
    data = {"error_type": "ValidationError", "message": "Invalid email"}
    api.write(session, "events", {"name": "error_occurred", "level": "error", "data": data})
    api.write(session, "events", {"name": "raised", "exception_type": "ValueError"})
    api.write(session, "events", {"name": "bare"})
    first, second, third = api.session(session)["events"]
    assert (first["name"], first["level"], first["data"]) == ("error_occurred", "error", data)
    assert (second["level"], second["category"]) == ("error", "error")
    assert (third["level"], third["category"]) == ("info", "info")
    assert third["timestamp"].endswith("Z")


def test_metrics_as_documented(api: SessionsApi, session: str) -> None:
    api.write(session, "metrics", {"name": "memory_mb", "value": 512.5, "tags": ["backend"]})
    api.write(session, "metrics", {"name": "n", "value": 3})
    first, second = api.session(session)["metrics"]
    assert (first["name"], first["value"], first["tags"], first["type"]) == (
        "memory_mb",
        512.5,
        ["backend"],
        "gauge",
    )
    assert second.keys() == {"timestamp", "name", "value", "type"}


@pytest.mark.parametrize("body", [None, {}])
def test_an_end_is_final(api: SessionsApi, session: str, body: Any) -> None:
    api.write(session, "end", body)
    ended = api.session(session)
    assert (ended["active"], ended["crashed"]) == (False, False)
    assert ended["ended_at"] == ended["updated_at"]
    api.write(session, "end", body)
    assert api.session(session)["ended_at"] == ended["ended_at"]


@pytest.mark.parametrize("reason", [None, "parent_process_terminated"])
def test_a_crash_ends_the_session(api: SessionsApi, session: str, reason: str | None) -> None:
    api.write(session, "events", {"name": "application_appears_hung"})
    api.write(session, "crash", {"reason": reason} if reason else None)
    document = api.session(session)
    flags = {"active": False, "crashed": True, "suspended": False, "hung": False}
    assert document | flags == document
    assert document["ended_at"] == document["updated_at"]
    assert names(document["events"]) == ["application_appears_hung", "session_crashed_detected"]
    crash = document["events"][1]
    assert (crash["category"], crash["data"]) == ("critical", {"reason": reason or "abnormal_termination"})
