"""Reading one's writes, and waiting for what others wrote."""

import pytest

from tests.acceptance.calls import position, problem
from tests.acceptance.sessions_api import SessionsApi
from tests.support.line import Line


def test_a_read_right_after_a_write_sees_it(api: SessionsApi) -> None:
    session_id = api.create()
    for n in range(50):
        answer = api.write(session_id, "state", {"n": n})
        assert "Foldline-Projected" not in answer.headers
        session = api.http.get(f"/api/sessions/{session_id}").json()
        assert session["state"]["n"] == n


async def test_a_read_can_wait_for_a_position(api: SessionsApi, line: Line, unique: str) -> None:
    await line.created(unique)
    for n in range(20):
        sequence = await line.put("event", unique, {"name": f"n{n}"})
        assert api.session(unique, position(unique, sequence))["events"][-1]["name"] == f"n{n}"
    beat = await line.put("heartbeat", unique)
    assert "last_heartbeat" in api.session(unique, position(unique, beat, "HEARTBEATS"))


def test_a_write_need_not_wait(api: SessionsApi) -> None:
    session_id = api.create()
    answers = [
        api.http.post(
            f"/api/sessions/{session_id}/events", json={"name": "n"}, headers={"Foldline-Wait": "0"}
        )
        for _ in range(10)
    ]
    positions = [answer.headers["Foldline-Position"] for answer in answers]
    assert len(api.session(session_id, positions[-1])["events"]) == 10


def test_a_position_that_does_not_come_is_an_honest_503(api: SessionsApi) -> None:
    session_id = api.create()
    headers = {"Foldline-Min-Position": position(session_id, 10**15), "Foldline-Wait": "50"}
    answer = api.http.get(f"/api/sessions/{session_id}", headers=headers)
    problem(answer, 503, "Service unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("text", ["nonsense", "SESSIONS/99:1", "OTHER/1:1"])
def test_an_impossible_position_is_refused(api: SessionsApi, text: str) -> None:
    session_id = api.create()
    answer = api.http.get(f"/api/sessions/{session_id}", headers={"Foldline-Min-Position": text})
    problem(answer, 400, "Invalid request")
