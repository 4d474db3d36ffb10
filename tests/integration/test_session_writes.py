"""The session write routes on a real line: documented answers, idempotency, waiting."""

import gzip
import json
import uuid

import httpx
import pytest
from nats.aio.client import Client

from foldline.embedded.nats import NatsServer
from producers.publishing.publisher import Publisher
from schemas.facts import MESSAGE_ID, TIME, Fact
from schemas.positions import parse_positions
from schemas.sessions.recovery import HungSession
from tests.support.publisher import (
    fact,
    open_publisher,
    sequence,
    stored,
    stored_of,
)
from tests.support.write_surface import APP, NOON, ReadSide, begin, problem, write_client


async def test_create_answers_the_whole_session(writes: httpx.AsyncClient, observer: Client) -> None:
    answer = await writes.post("/sessions", json=APP | {"machine_id": "00:11"})
    assert answer.status_code == 201
    session = answer.json()
    uuid.UUID(session["id"])
    state = {"product": "MyApp", "version": "1.0.0"}
    assert session == {
        "id": session["id"],
        "session_id": session["id"],
        "site": "local",
        "created_at": NOON,
        "updated_at": NOON,
        "ended_at": None,
        "active": True,
        "suspended": False,
        "crashed": False,
        "hung": False,
        "machine_id": "00:11",
        "hostname": None,
        "state": state,
        "events": [],
        "metrics": [],
        "state_history": [{"timestamp": NOON, "state": state}],
    }
    (message,) = await stored_of(observer, session["id"])
    (position,) = parse_positions(answer.headers["Foldline-Position"])
    assert position.sequence == sequence(message)
    assert message.headers is not None
    assert message.headers[TIME] == NOON


WRITES = {
    "state": ("state", {"status": "running"}),
    "events": ("event", {"name": "user_action", "level": "info"}),
    "metrics": ("metric", {"name": "ms", "value": 1.5, "tags": ["api"]}),
    "heartbeat": ("heartbeat", {}),
    "end": ("ended", {}),
    "crash": ("crashed", {"reason": "boom"}),
}


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("packed", [False, True])
async def test_every_write_puts_its_bytes_on_the_line(
    writes: httpx.AsyncClient, observer: Client, path: str, packed: bool
) -> None:
    session = await begin(writes)
    kind, value = WRITES[path]
    body = json.dumps(value, indent=3).encode()
    headers = {"Idempotency-Key": "k1", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    if packed:
        headers["Content-Encoding"] = "gzip"
    answer = await writes.post(
        f"/sessions/{session}/{path}", content=gzip.compress(body) if packed else body, headers=headers
    )
    assert (answer.status_code, answer.json()) == (200, {"success": True, "status": "ok"})
    (position,) = parse_positions(answer.headers["Foldline-Position"])
    (message,) = await stored(observer, f"ev.*.local.session.{session}.{kind}", position.stream)
    assert message.data == body
    assert sequence(message) == position.sequence
    assert message.headers is not None
    assert message.headers[MESSAGE_ID] == f"local:session:{session}:k1"
    assert message.headers["traceparent"] == headers["traceparent"]


@pytest.mark.parametrize("path", ["heartbeat", "end", "crash"])
async def test_bodies_may_be_empty(writes: httpx.AsyncClient, path: str) -> None:
    session = await begin(writes)
    assert (await writes.post(f"/sessions/{session}/{path}")).status_code == 200


async def test_same_key_takes_effect_once(writes: httpx.AsyncClient, observer: Client) -> None:
    session = await begin(writes)
    headers = {"Idempotency-Key": "k"}
    answers = [
        await writes.post(f"/sessions/{session}/events", json={"name": name}, headers=headers)
        for name in ("first", "first", "second")
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 409]
    assert answers[0].headers["Foldline-Position"] == answers[1].headers["Foldline-Position"]
    assert [
        json.loads(message.data)["name"]
        for message in await stored_of(observer, session)
        if "event" in message.subject
    ] == ["first"]


async def test_create_with_a_key_answers_the_first_session_again(writes: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex, TIME: "2026-01-31T11:00:00Z"}
    first = await writes.post("/sessions", json=APP, headers=headers)
    await writes.post(f"/sessions/{first.json()['id']}/state", json={"a": 1})
    del headers[TIME]
    again = await writes.post("/sessions", json=APP, headers=headers)
    assert again.status_code == 201
    assert again.json() == first.json()
    assert first.json()["created_at"] == "2026-01-31T11:00:00.000000Z"
    assert again.headers["Foldline-Position"] == first.headers["Foldline-Position"]


async def test_create_with_an_id_of_ones_own(writes: httpx.AsyncClient) -> None:
    wanted = uuid.uuid4().hex
    assert await begin(writes, session_id=wanted) == wanted
    answer = await writes.post("/sessions", json=APP | {"session_id": wanted})
    assert problem(answer) == (409, "Session already exists", f"There is a session with ID {wanted}")


async def test_create_fills_in_under_facts_that_came_first(
    writes: httpx.AsyncClient, publisher: Publisher, observer: Client
) -> None:
    session = uuid.uuid4().hex
    invalid = Fact(fact(session, "created", b'{"product":"p","version":"1"}').subject, b"[", "x", {})
    await publisher.publish_many([fact(session), invalid])
    assert await begin(writes, session_id=session) == session
    kinds = [message.subject.rpartition(".")[2] for message in await stored_of(observer, session)]
    assert kinds == ["event", "created", "created"]
    assert (await writes.post("/sessions", json=APP | {"session_id": session})).status_code == 409


async def test_expired_session_does_not_exist_and_its_id_is_free(
    writes: httpx.AsyncClient, publisher: Publisher
) -> None:
    session = uuid.uuid4().hex
    await publisher.publish_many(
        [fact(session), fact(session, "heartbeat", b""), fact(session, "expired", b"")]
    )
    assert (await writes.post(f"/sessions/{session}/end")).status_code == 404
    assert await begin(writes, session_id=session) == session


@pytest.mark.parametrize("kind", ["event", "heartbeat"])
async def test_first_fact_of_any_kind_opens_a_session(
    writes: httpx.AsyncClient, observer: Client, kind: str
) -> None:
    session = uuid.uuid4().hex
    body = b'{"name":"n"}' if kind == "event" else b""
    assert (await writes.post(f"/sessions/{session}/state", json={})).status_code == 404
    await observer.jetstream().publish(f"ev.local.session.{session}.{kind}", body)
    assert (await writes.post(f"/sessions/{session}/state", json={})).status_code == 200


@pytest.mark.parametrize(("asked", "waited"), [(None, 1.0), ("0", None), ("250", 0.25), ("30000", 30.0)])
async def test_answers_when_projected(
    writes: httpx.AsyncClient, read_side: ReadSide, asked: str | None, waited: float | None
) -> None:
    answer = await writes.post("/sessions", json=APP, headers={"Foldline-Wait": asked} if asked else {})
    assert "Foldline-Projected" not in answer.headers
    expected = parse_positions(answer.headers["Foldline-Position"])
    assert read_side.waits == ([(expected, waited)] if waited else [])


async def test_slow_projection_is_told(writes: httpx.AsyncClient, read_side: ReadSide) -> None:
    read_side.projected = False
    answer = await writes.post("/sessions", json=APP)
    assert (answer.status_code, answer.headers["Foldline-Projected"]) == (201, "false")


async def test_heartbeat_ends_a_hang(
    writes: httpx.AsyncClient, read_side: ReadSide, observer: Client
) -> None:
    session = await begin(writes)
    hang = await writes.post(f"/sessions/{session}/events", json={"name": "application_appears_hung"})
    at = parse_positions(hang.headers["Foldline-Position"])[0].sequence
    read_side.hangs[session] = HungSession(hung_seq=at, last_seq=at)
    for _ in range(2):  # the read model still says so: published once all the same
        answer = await writes.post(f"/sessions/{session}/heartbeat")
        heartbeat, recovery = parse_positions(answer.headers["Foldline-Position"])
        assert (heartbeat.stream, recovery.stream) == ("HEARTBEATS", "SESSIONS")
        assert read_side.waits[-1][0] == [heartbeat, recovery]
    *_, message = await stored_of(observer, session)
    assert sequence(message) == recovery.sequence == at + 1
    body = json.loads(message.data)
    assert body == {
        "name": "application_recovered",
        "level": "info",
        "category": "info",
        "data": {"hung_sequence": at},
    }


@pytest.mark.parametrize("hang", [HungSession(hung_seq=1, last_seq=1), RuntimeError("no database")])
async def test_heartbeat_succeeds_whatever_becomes_of_the_recovery(
    writes: httpx.AsyncClient, read_side: ReadSide, observer: Client, hang: HungSession | Exception
) -> None:
    session = await begin(writes)
    read_side.hangs[session] = hang
    answer = await writes.post(f"/sessions/{session}/heartbeat")
    assert answer.status_code == 200
    assert answer.headers["Foldline-Position"].startswith("HEARTBEATS/")
    assert len(await stored_of(observer, session)) == 1


async def test_absent_bus_is_a_503(own_nats: NatsServer, read_side: ReadSide) -> None:
    async with (
        open_publisher(own_nats, timeout=0.3) as publisher,
        write_client(own_nats, publisher, read_side) as writes,
    ):
        session = await begin(writes)
        own_nats.kill()
        for path, body in [("/sessions", APP), (f"/sessions/{session}/end", {}), ("/sessions/other/end", {})]:
            answer = await writes.post(path, json=body)
            assert problem(answer)[:2] == (503, "Service unavailable")
            assert answer.headers["Retry-After"] == "1"


async def test_bugs_answer_the_envelope_without_internals(
    writes: httpx.AsyncClient, read_side: ReadSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> bool:
        raise KeyError("secret")

    monkeypatch.setattr(read_side, "wait", broken)
    answer = await writes.post("/sessions", json=APP)
    assert problem(answer)[:2] == (500, "Internal server error")
    assert "secret" not in answer.text
