"""The same Idempotency-Key again has no effect and gives the first answer."""

import asyncio

import pytest

from tests.acceptance.sessions_api import SessionsApi, names
from tests.support.http import http_client


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("state", {"a": 1}),
        ("events", {"name": "once"}),
        ("metrics", {"name": "once", "value": 1}),
        ("end", {}),
        ("crash", {"reason": "once"}),
    ],
)
def test_a_write_twice(
    api: SessionsApi, session: str, unique: str, what: str, body: dict[str, object]
) -> None:
    first = api.write(session, what, body, Idempotency_Key=unique)
    before = api.session(session)
    again = api.write(session, what, body, Idempotency_Key=unique)
    assert again.headers["Foldline-Position"] == first.headers["Foldline-Position"]
    answer = api.request(
        "POST",
        f"/api/sessions/{session}/{what}",
        json={**body, "name": "other"},
        headers={"Idempotency-Key": unique},
    )
    assert (answer.status_code, answer.json()["error"]) == (409, "Idempotency-Key already used")
    assert api.session(session) == before


def test_a_key_is_one_write(api: SessionsApi, session: str, unique: str) -> None:
    """Used for another kind of write, it is told and swallows nothing."""
    api.write(session, "state", {"a": 1}, Idempotency_Key=unique)
    headers = {"Idempotency-Key": unique}
    answer = api.request("POST", f"/api/sessions/{session}/events", json={"name": "x"}, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (409, "Idempotency-Key already used")
    assert api.session(session)["events"] == []


def test_keys_belong_to_a_session(api: SessionsApi, unique: str) -> None:
    for session in (api.create(), api.create()):
        api.write(session, "events", {"name": "once"}, Idempotency_Key=unique)
        assert names(api.session(session)["events"]) == ["once"]


def test_a_create_twice(api: SessionsApi, unique: str) -> None:
    machine = f"machine-{unique}"
    body = {"product": "App", "version": "1", "machine_id": machine}
    first = api.request("POST", "/api/sessions", json=body, headers={"Idempotency-Key": unique})
    api.write(first.json()["id"], "state", {"meanwhile": True})
    again = api.request("POST", "/api/sessions", json=body, headers={"Idempotency-Key": unique})
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Foldline-Position"] == first.headers["Foldline-Position"]
    assert len(api.get("/api/data/sessions", machine_id=machine)) == 1


async def test_a_create_many_times_at_once(api: SessionsApi, unique: str) -> None:
    machine = f"machine-{unique}"
    body = {"product": "App", "version": "1", "machine_id": machine}
    async with http_client(api.http.base_url, timeout=60) as client:
        answers = await asyncio.gather(
            *(client.post("/api/sessions", json=body, headers={"Idempotency-Key": unique}) for _ in range(8))
        )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(api.get("/api/data/sessions", machine_id=machine)) == 1
