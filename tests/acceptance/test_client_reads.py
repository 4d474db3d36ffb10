"""The client's positions against the running system: writes that did not wait are seen by the next read."""

import httpx

from foldline_client import Positions, create_session
from tests.acceptance.calls import create, position
from tests.acceptance.sessions_api import SessionsApi
from tests.acceptance.stack import Stack
from tests.support.http import http_client, sync_http_client
from tests.support.line import Line


def test_a_read_shows_writes_that_did_not_wait(stack: Stack) -> None:
    positions = Positions()
    with sync_http_client(stack.api, timeout=30, headers={"Foldline-Wait": "0"}) as http:
        ids = [create(http) for _ in range(3)]
        for n in range(20):
            for session_id in ids:
                answer = http.post(f"/api/sessions/{session_id}/state", json={"n": n})
                positions.note(answer.headers)
            for session_id in ids:
                read = positions.get(http.get, f"/api/sessions/{session_id}", wait=10)
                assert read.json()["state"]["n"] == n
        listed = http.get("/api/data/sessions", headers=positions.headers(wait=10))
        shown = {one["id"]: one["state"]["n"] for one in listed.json() if one["id"] in ids}
        assert shown == dict.fromkeys(ids, 19)


def test_a_read_shows_what_a_session_published_to_nats(stack: Stack) -> None:
    positions = Positions()
    with create_session(stack.nats, product="Published", version="1") as session:
        for n in range(20):
            session.log_event(f"n{n}")
        assert session.flush(30)
        positions.note(session.position)
        read = positions.get(httpx.get, f"{stack.api}/api/sessions/{session.session_id}")
        assert len(read.json()["events"]) == 20


async def test_a_read_is_repeated_until_the_position_comes(
    api: SessionsApi, stack: Stack, line: Line, unique: str
) -> None:
    positions = Positions()
    newest = await line.created(unique)
    positions.note(position(unique, newest + 1))
    tried: list[int] = []
    async with http_client(stack.api, timeout=30) as http:

        async def get(*args: str, headers: dict[str, str]) -> httpx.Response:
            answer = await http.get(*args, headers=headers)
            tried.append(answer.status_code)
            if len(tried) == 1:
                await line.put("event", unique, {"name": "late"})
            return answer

        answer = await positions.get_async(get, f"/api/sessions/{unique}", wait=0.05)
    assert tried[0] == 503
    assert answer.json()["events"][0]["name"] == "late"
