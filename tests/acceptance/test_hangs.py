"""A hang is what its events say, and a heartbeat ends it, whichever way it came."""

from tests.acceptance.calls import position
from tests.acceptance.sessions_api import SessionsApi, names
from tests.line import Line

HUNG, RECOVERED = "application_appears_hung", "application_recovered"


def test_a_hang_and_its_recovery_are_events(api: SessionsApi, session: str) -> None:
    for _ in range(2):
        api.write(session, "events", {"name": HUNG, "category": "error"})
        hung = api.session(session)
        assert (hung["hung"], hung["active"]) == (True, True)
        api.write(session, "events", {"name": RECOVERED})
        assert api.session(session)["hung"] is False
    assert names(api.session(session)["events"]) == [HUNG, RECOVERED] * 2


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
