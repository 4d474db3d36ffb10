"""Bad input published straight to NATS between good facts: set aside with its reason, and nothing stops."""

from typing import Any

import pytest
from nats.aio.client import Client

from foldline.embedded.nats import NatsServer
from foldline.settings import Settings
from runtime.database.connections import Connection
from schemas.subjects import partition_of
from tests.support.engine import engine
from tests.support.line import Line, Model, publish_raw
from tests.support.settings import PARTITIONS

POISON: list[tuple[str, bytes, str]] = [
    ("event", b'{"name":', "invalid_json"),
    ("event", b'{"name":7}', "invalid_field"),
    ("event", b'{"level":"info"}', "missing_field"),
    ("event", b'{"name":"a\\u0000b"}', "invalid_text"),
    ("event", b'{"name":"\\ud800"}', "invalid_text"),
    ("event", b'{"name":"n","data":' + b'{"a":' * 200 + b"1" + b"}" * 201, "too_deep"),
    ("state", b'{"big":"' + b"x" * (2 << 20) + b'"}', "too_large"),
    ("state", b"\xff\xfe\x00", "invalid_json"),
    ("state", b"[1,2]", "invalid_field"),
    ("metric", b'{"name":"m","value":1e999}', "invalid_number"),
    ("metric", b'{"name":"m","value":NaN}', "invalid_json"),
    ("metric", b'{"name":"m","value":"3"}', "invalid_field"),
    ("created", b'{"product":"Q"}', "missing_field"),
    ("created", b'{"product":"Q","version":"2"}', "already_created"),
    ("ended", b'{"timestamp":"2999-01-01T00:00:00Z"}', "time_in_future"),
]


async def test_good_facts_apply_and_bad_ones_are_listed(
    settings: Settings, nc: Client, db: Connection
) -> None:
    line, model = Line(nc), Model(db)
    expected: dict[tuple[str, int], str] = {}
    async with engine(settings):
        await line.created("S1")
        for n, (fact, body, reason) in enumerate(POISON):
            expected["SESSIONS", await line.put(fact, "S1", body)] = reason
            await line.put("state", "S1", {"after": n})
        expected["HEARTBEATS", await line.put("heartbeat", "S1", b"{")] = "invalid_json"
        await model.passed("S1", 1, "HEARTBEATS")
        last = await line.put("event", "S1", {"name": "still here"})
        await model.passed("S1", last)
        assert await model.rejected() == expected
        reference = await line.reference()
        assert reference.rejected == set(expected)
        await model.equals(reference, "S1")
    session = await model.session("S1")
    assert session
    assert session["state"] == {"product": "P", "version": "1", "after": len(POISON) - 1}
    assert len(session["state_history"]) == 1 + len(POISON)


def headers(*lines: bytes) -> bytes:
    return b"NATS/1.0\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


BLOCKS: list[tuple[bytes, str | None]] = [
    (headers(b"Foldline-Time: whenever"), "invalid_time"),
    (headers(b"Foldline-Time: "), "invalid_time"),
    (headers(b"Foldline-Time: \xff\xfe"), "invalid_time"),
    (headers(b"Foldline-Time: 2999-01-01T00:00:00Z"), "time_in_future"),
    (headers(b"Foldline-Time: caf\xc3\xa9"), "invalid_time"),
    (headers(b"Foldline-Time: 2026-01-31T12:00:00Z"), None),
    (headers(b"Nats-Msg-Id: \xff\xfe \xc3\xa9"), None),
    (headers(b"X-\xff: \x00\x01", b"no colon here", b": no name", b"Empty:"), None),
    (headers(b"Status: 409", b"Description: Consumer Deleted"), None),
    (b"NATS/1.0 100 Idle Heartbeat\r\n\r\n", None),
    (b"NATS/1.0 503\r\n\r\n", None),
    (b"NATS/1.0 \xff\xfe\xfd nonsense\r\n\r\n", None),
    (headers(*(b"H%d: %b" % (n, b"v" * 50) for n in range(200))), None),
]


async def test_odd_headers_do_no_harm(
    settings: Settings, nc: Client, db: Connection, shared_nats: NatsServer
) -> None:
    line, model = Line(nc), Model(db)
    async with engine(settings):
        await line.created("S1")
        subject = b"ev.local.session.S1.event"
        for n, (block, _) in enumerate(BLOCKS):
            await publish_raw(shared_nats.url, (subject, block, b'{"name":"n%d"}' % n))
        last = await line.put("event", "S1", {"name": "last"})
        await model.passed("S1", last)
    assert last == 2 + len(BLOCKS)
    assert await model.rejected() == {
        ("SESSIONS", 2 + n): reason for n, (_, reason) in enumerate(BLOCKS) if reason
    }
    applied = [f"n{n}" for n, (_, reason) in enumerate(BLOCKS) if reason is None]
    assert await model.events("S1") == [*applied, "last"]


@pytest.mark.parametrize(
    "token",
    [b"x" * 300, b"x" * 3000, "é".encode(), b"\xff\xfe", b"a\x01b", b"50%", b"{id}", b"%s"],
    ids=["300", "3000", "utf8", "not-utf8", "control", "percent", "braces", "format"],
)
async def test_odd_subjects_are_set_aside(
    settings: Settings, nc: Client, db: Connection, shared_nats: NatsServer, token: bytes
) -> None:
    line, model = Line(nc), Model(db)
    # Good facts in every partition, before and after the bad one.
    ids = [
        next(f"S{n}" for n in range(1000) if partition_of(f"S{n}", PARTITIONS) == part)
        for part in range(PARTITIONS)
    ]
    async with engine(settings) as followers:
        for session_id in ids:
            await line.created(session_id)
        await publish_raw(
            shared_nats.url,
            (b"ev.local.session.%b.state" % token, b"", b"{}"),
            (b"ev.local.session.%b.heartbeat" % token, b"", b"{}"),
        )
        for session_id in ids:
            last = await line.put("state", session_id, {"a": 1})
            await model.passed(session_id, last)
            beat = await line.put("heartbeat", session_id)
            await model.passed(session_id, beat, "HEARTBEATS")
            await model.passed(session_id, last, follower="liveness")
        assert await model.rejected() == {
            ("SESSIONS", 17): "invalid_subject",
            ("HEARTBEATS", 1): "invalid_subject",
        }
        assert all(follower.failure is None for follower in followers)
    sessions: list[Any] = [await model.session(session_id) for session_id in ids]
    assert all(session["state"]["a"] == 1 for session in sessions)
