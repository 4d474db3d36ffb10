"""The same message id counts once for seven days, long after JetStream forgot it."""

from datetime import UTC, datetime, timedelta

import pytest
from nats.aio.client import Client

from consumers.control.rebuild import rebuild
from foldline.embedded.nats import NatsServer
from foldline.settings import Settings
from projections.catalogue import projection_named
from runtime.database.connections import Connection
from tests.reference.published import Published
from tests.support.engine import engine
from tests.support.folding import Folding
from tests.support.line import Line, Model, publish_raw

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


async def test_a_repetition_jetstream_stored_again_has_no_effect(
    settings: Settings, nc: Client, db: Connection
) -> None:
    line, model = Line(nc), Model(db)
    await line.created("S1")
    first = await line.put("event", "S1", {"name": "once"}, headers={"Nats-Msg-Id": "local:session:S1:k"})
    auto = await line.put("event", "S1", {"name": "auto"}, headers={"Nats-Msg-Id": "auto:k"})
    async with engine(settings):
        await model.passed("S1", auto)
        await line.forget_message_ids()
        again = await line.put("event", "S1", {"name": "once"}, headers={"Nats-Msg-Id": "local:session:S1:k"})
        assert again > first
        auto_again = await line.put("event", "S1", {"name": "auto"}, headers={"Nats-Msg-Id": "auto:k"})
        assert auto_again > again
        await model.passed("S1", auto_again)
        assert await model.events("S1") == ["once", "auto", "auto"]
        assert await model.rejected() == {}
        await model.equals(await line.reference(), "S1")
        await rebuild(projection_named("sessions"), settings, nc)
        assert await model.events("S1") == ["once", "auto", "auto"]


@pytest.fixture
async def folding(db: Connection) -> Folding:
    made = Folding(db)
    await made.start_over()
    return made


def event(seq: int, after: timedelta, body: bytes = b'{"name":"n"}', *, key: str = "k") -> Published:
    return Published("ev.local.session.S1.event", body, seq, NOON + after, {"Nats-Msg-Id": key})


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("after", "count"),
    [(timedelta(0), 1), (timedelta(days=7), 1), (timedelta(days=7, microseconds=1), 2)],
)
async def test_the_window_is_seven_days_of_store_time(
    folding: Folding, db: Connection, after: timedelta, count: int, together: bool
) -> None:
    facts = [event(1, timedelta(0)), event(2, after)]
    await folding.fold([facts] if together else [[fact] for fact in facts])
    assert len(await Model(db).events("S1")) == count


async def test_a_repetition_does_not_prolong_the_window(folding: Folding, db: Connection) -> None:
    days = (0, 5, 8, 14, 15.5)
    facts = [event(n, timedelta(days=day)) for n, day in enumerate(days, 1)]
    await folding.fold([[fact] for fact in facts])
    cursor = await db.execute("select seq from sessions.event order by seq")
    assert await cursor.fetchall() == [(1,), (3,), (5,)]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("subject", "body", "reused"),
    [
        ("S1.event", b' { "data": {"b": "\\u0041", "a": 1.0} , "name" : "n" } ', False),
        ("S1.event", b'{"name":"n","data":{"a":1,"b":"A"},"timestamp":"2026-01-31T11:00:00Z"}', False),
        ("S1.event", b'{"name":"other","data":{"a":1,"b":"A"}}', True),
        ("S1.event", b'{"name":"n","data":{"a":true,"b":"A"}}', True),
        ("S1.metric", b'{"name":"n","data":{"a":1,"b":"A"},"value":1}', True),
        ("S1.ended", b'{"name":"n","data":{"a":1,"b":"A"}}', True),
        ("S2.event", b'{"name":"other"}', None),
    ],
)
async def test_another_event_under_a_used_id_is_told(
    folding: Folding, *, subject: str, body: bytes, reused: bool | None, together: bool
) -> None:
    first = event(1, timedelta(0), b'{"name":"n","data":{"a":1,"b":"A"}}')
    later = Published(f"ev.local.session.{subject}", body, 2, NOON + timedelta(days=6), {"Nats-Msg-Id": "k"})
    await folding.fold([[first, later]] if together else [[first], [later]])
    counted = await (await folding.conn.execute("select count(*) from sessions.event")).fetchone()
    assert counted == (1 if reused is not None else 2,)
    rejected = await (
        await folding.conn.execute("select seq, reason, details from sessions.rejected")
    ).fetchall()
    details = "the idempotency key was used at sequence 1 for another event: use a new key for each event"
    assert rejected == ([(2, "key_reused", details)] if reused else [])


async def test_what_corrects_a_rejected_event_counts_under_an_id_of_its_own(folding: Folding) -> None:
    headers = {"Foldline-Retry-Of": "SESSIONS/3:2", "Nats-Msg-Id": "retry"}
    facts = [
        event(1, timedelta(0)),
        event(2, timedelta(1), b'{"name":"other"}'),
        Published("ev.local.session.S1.event", b'{"name":"other"}', 3, NOON + timedelta(2), headers),
        Published("ev.local.session.S1.event", b'{"name":"other"}', 4, NOON + timedelta(3), headers),
    ]
    await folding.fold([facts])
    assert await Model(folding.conn).events("S1") == ["n", "other"]
    assert await folding.rejected() == {("SESSIONS", 2)}


@pytest.mark.parametrize("together", [True, False])
async def test_an_id_is_free_after_a_rejected_event(folding: Folding, db: Connection, together: bool) -> None:
    facts = [event(1, timedelta(0), b"{"), event(2, timedelta(days=6)), event(3, timedelta(days=8))]
    await folding.fold([facts] if together else [[fact] for fact in facts])
    cursor = await db.execute("select seq from sessions.event")
    assert await cursor.fetchall() == [(2,)], "the window begins with the event that took effect"
    cursor = await db.execute("select stored_at from sessions.message_id")
    assert await cursor.fetchall() == [(NOON + timedelta(days=6),)]


@pytest.mark.parametrize("together", [True, False])
async def test_an_id_is_free_after_its_session_expired(
    folding: Folding, db: Connection, together: bool
) -> None:
    expired = Published("ev.local.session.S1.expired", b"{}", 2, NOON + timedelta(hours=1), {})
    facts = [event(1, timedelta(0)), expired, event(3, timedelta(hours=2)), event(4, timedelta(hours=3))]
    await folding.fold([facts] if together else [[fact] for fact in facts])
    cursor = await db.execute("select seq from sessions.event")
    assert await cursor.fetchall() == [(3,)]
    cursor = await db.execute("select stored_at from sessions.message_id")
    assert await cursor.fetchall() == [(NOON + timedelta(hours=2),)]


async def test_heartbeats_may_repeat_their_id(folding: Folding, db: Connection) -> None:
    beats = [
        Published("ev.local.session.S1.heartbeat", b"", n, NOON + timedelta(n), {"Nats-Msg-Id": "k"})
        for n in (1, 2)
    ]
    await folding.fold([[event(1, timedelta(0))], beats])
    session = await Model(db).session("S1")
    assert session
    assert session["last_heartbeat"] == "2026-02-02T12:00:00.000000Z"


async def test_an_id_that_is_none_or_unreadable_never_makes_a_duplicate(
    settings: Settings, nc: Client, db: Connection, shared_nats: NatsServer
) -> None:
    """JetStream takes an empty id for none; of ids that are not UTF-8 the client shows the same text."""
    line, model = Line(nc), Model(db)
    await line.created("S1")
    messages = [(b"", b"empty1"), (b"", b"empty2"), (b"", b"empty3"), (b"\xff", b"odd1"), (b"\xfe", b"odd2")]
    async with engine(settings):
        for message_id, name in messages:
            block = b"NATS/1.0\r\nNats-Msg-Id: %b\r\n\r\n" % message_id
            await publish_raw(shared_nats.url, (b"ev.local.session.S1.event", block, b'{"name":"%b"}' % name))
        last = await line.put("event", "S1", {"name": "last"})
        await model.passed("S1", last)
        assert last == 2 + len(messages)
        assert await model.events("S1") == ["empty1", "empty2", "empty3", "odd1", "odd2", "last"]
        assert await model.rejected() == {}
