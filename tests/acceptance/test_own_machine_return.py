"""A session that fell silent has crashed when its machine begins another one."""

from tests.acceptance.sessions_api import SessionsApi, names

CRASHED = "session_crashed_detected"


def test_silence_suspends_and_a_heartbeat_wakes(api: SessionsApi, session: str) -> None:
    api.write(session, "heartbeat")
    suspended = api.until(session, suspended=True)
    assert (suspended["active"], suspended["crashed"]) == (False, False)
    api.write(session, "heartbeat")
    awake = api.until(session, suspended=False)
    assert (awake["active"], awake["crashed"], awake["events"]) == (True, False, [])
    api.until(session, suspended=True)


def test_a_machine_that_returns_crashes_its_silent_sessions(api: SessionsApi, unique: str) -> None:
    silent, ended, never_beat = (api.create(machine_id=unique) for _ in range(3))
    elsewhere = api.create(machine_id=f"{unique}-other")
    nowhere = api.create()
    for session in (silent, ended, elsewhere, nowhere):
        api.write(session, "heartbeat")
    api.write(ended, "end")
    before = {session: api.until(session, suspended=True) for session in (silent, elsewhere, nowhere)}
    returned = api.create(machine_id=unique)
    crashed = api.until(silent, crashed=True)
    flags = {"active": False, "suspended": False, "hung": False, "ended_at": None}
    assert crashed | flags == crashed
    assert crashed["updated_at"] == before[silent]["updated_at"]
    assert names(crashed["events"]) == [CRASHED]
    reason = {"reason": "machine_returned_session_not_resumed", "machine_id": unique}
    assert (crashed["events"][0]["data"], crashed["events"][0]["category"]) == (reason, "")
    # All of the return was judged with the silent one: nothing else has changed, nor will.
    again = api.create(machine_id=unique)
    for session in (returned, again, never_beat):
        assert api.session(session)["active"] is True
    assert api.session(ended)["crashed"] is False
    assert api.session(elsewhere) == before[elsewhere]
    assert api.session(nowhere) == before[nowhere]
    assert names(api.session(silent)["events"]) == [CRASHED]


def test_a_machine_with_a_living_session_has_not_returned(api: SessionsApi, unique: str) -> None:
    silent, living = api.create(machine_id=unique), api.create(machine_id=unique)
    api.write(silent, "heartbeat")
    api.until(silent, suspended=True)
    api.write(living, "heartbeat")
    api.create(machine_id=unique)
    api.until(silent, crashed=True)
    assert api.session(living)["crashed"] is False


def test_lists_know_who_is_suspended(api: SessionsApi, unique: str) -> None:
    silent, other = api.create(product=unique), api.create(product=unique)
    api.write(silent, "heartbeat")
    api.until(silent, suspended=True)
    listed = api.get("/api/data/sessions", product=unique, status="suspended")
    assert [one["id"] for one in listed] == [silent]
    active = api.get("/api/data/sessions", product=unique, status="active")
    assert [one["id"] for one in active] == [other]
