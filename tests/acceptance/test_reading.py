"""Reading one's writes, pages, filters and series."""

import pytest

from tests.acceptance.calls import position, problem
from tests.acceptance.sessions_api import SessionsApi
from tests.line import Line


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


def test_pages_of_events(api: SessionsApi) -> None:
    session_id = api.create()
    for n in range(7):
        api.write(session_id, "events", {"name": "even" if n % 2 == 0 else "odd", "data": {"n": n}})
    path = f"/api/sessions/{session_id}/events"
    numbers, cursor = [], None
    while True:
        page = api.http.get(path, params={"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
        assert page["total"] == 7
        numbers += [event["data"]["n"] for event in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert numbers == list(range(7))
    odd = api.http.get(path, params={"name": "odd", "order": "desc", "limit": 2}).json()
    assert [event["data"]["n"] for event in odd["items"]] == [5, 3]
    assert odd["total"] == 3
    assert api.http.get(f"/api/sessions/{session_id}/metrics").json() == {
        "items": [],
        "total": 0,
        "next_cursor": None,
    }
    assert api.http.get(f"/api/sessions/{session_id}/history").json()["total"] == 1


def test_the_export_and_its_filters(api: SessionsApi, unique: str) -> None:
    ids = [api.create(product=unique, version=str(n)) for n in range(5)]
    api.write(ids[0], "end")
    api.write(ids[1], "crash")
    api.write(ids[2], "state", {"user": {"name": "alice"}})
    api.write(ids[3], "events", {"name": "special"})

    def found(**params: str | int) -> list[str]:
        answer = api.http.get("/api/data/sessions", params={"product": unique, **params})
        assert answer.status_code == 200, answer.text
        return [session["id"] for session in answer.json()]

    assert found() == ids
    assert found(sort="-created_at") == ids[::-1]
    assert found(status="ended") == [ids[0]]
    assert found(status="crashed") == [ids[1]]
    assert found(status="active") == ids[2:]
    assert found(state="user.name=alice") == [ids[2]]
    assert found(has_event="special") == [ids[3]]
    assert found(version="4") == [ids[4]]
    answer = api.http.get("/api/data/sessions", params={"product": unique, "limit": 2})
    assert answer.headers["Foldline-Total"] == "5"
    first = [session["id"] for session in answer.json()]
    rest = found(cursor=answer.headers["Foldline-Next-Cursor"])
    assert first + rest == ids
    (exported,) = api.http.get("/api/data/sessions", params={"product": unique, "version": "2"}).json()
    assert exported == api.session(ids[2])
    everything = api.http.get("/api/data/sessions").json()
    assert {session["id"] for session in everything} >= set(ids)


def test_a_series_over_sessions(api: SessionsApi, unique: str) -> None:
    ids = [api.create() for _ in range(2)]
    for n, value in enumerate([1, 5, 3]):
        api.write(ids[n % 2], "metrics", {"name": unique, "value": value})
    series = api.http.get("/api/timeseries", params={"metric": unique}).json()
    assert [point["Value"] for point in series["Points"]] == [1, 5, 3]
    assert (series["Peak"], series["Min"], series["Average"]) == (5, 1, 3)
    assert series["SessionsMatched"] == 2
    peaks = api.http.get("/api/timeseries", params={"metric": unique, "aggregation": "peak"}).json()
    assert sorted(point["Value"] for point in peaks["Points"]) == [3, 5]
