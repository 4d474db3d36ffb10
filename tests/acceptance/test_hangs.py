"""A hang is what its events say, and a heartbeat ends it, whichever way it came."""

import pytest

from tests.acceptance.calls import WRITTEN, position
from tests.acceptance.sessions_api import SessionsApi, names
from tests.support.line import Line

HUNG, RECOVERED = "application_appears_hung", "application_recovered"


def test_a_hang_and_its_recovery_are_events(api: SessionsApi, session: str) -> None:
    for _ in range(2):
        api.write(session, "events", {"name": HUNG, "category": "error"})
        hung = api.session(session)
        assert (hung["hung"], hung["active"]) == (True, True)
        api.write(session, "events", {"name": RECOVERED})
        assert api.session(session)["hung"] is False
    assert names(api.session(session)["events"]) == [HUNG, RECOVERED] * 2


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_heartbeat_ends_a_hang(api: SessionsApi, body: bytes) -> None:
    session_id = api.create()
    before = api.session(session_id)
    assert "last_heartbeat" not in before
    api.write(session_id, "events", {"name": "application_appears_hung"})
    assert api.session(session_id)["hung"] is True
    answer = api.request("POST", f"/api/sessions/{session_id}/heartbeat", content=body)
    assert (answer.status_code, answer.json()) == (200, WRITTEN)
    session = api.session(session_id)
    assert session["hung"] is False
    assert [event["name"] for event in session["events"]] == [
        "application_appears_hung",
        "application_recovered",
    ]
    assert session["last_heartbeat"] > before["updated_at"]
    assert session["updated_at"] >= session["last_heartbeat"]


def test_a_heartbeat_of_a_healthy_session_is_no_event(api: SessionsApi, session: str) -> None:
    api.write(session, "heartbeat")
    api.write(session, "heartbeat")
    assert api.session(session)["events"] == []


def test_a_heartbeat_recovers_each_hang_once(api: SessionsApi, session: str) -> None:
    for _ in range(2):
        api.write(session, "events", {"name": HUNG})
        assert api.session(session)["hung"] is True
        api.write(session, "heartbeat")
        assert api.session(session)["hung"] is False
        api.write(session, "heartbeat")
    assert names(api.session(session)["events"]) == [HUNG, RECOVERED] * 2


async def test_a_heartbeat_by_nats_recovers_as_well(api: SessionsApi, line: Line, unique: str) -> None:
    await line.created(unique)
    await line.put("heartbeat", unique)
    hung = await line.put("event", unique, {"name": HUNG})
    assert api.session(unique, position(unique, hung))["hung"] is True
    beat = await line.put("heartbeat", unique)
    recovered = api.until(unique, hung=False)
    assert names(recovered["events"]) == [HUNG, RECOVERED]
    last = await line.put("event", unique, {"name": "last"})
    after = api.session(unique, position(unique, beat, "HEARTBEATS"), position(unique, last))
    assert names(after["events"]) == [HUNG, RECOVERED, "last"]


def test_a_hung_session_may_end(api: SessionsApi, session: str) -> None:
    api.write(session, "events", {"name": HUNG})
    api.write(session, "end")
    ended = api.session(session)
    assert (ended["active"], ended["hung"], ended["crashed"]) == (False, True, False)
