"""Facts that a projection does not declare: a newer program publishes them, and they are passed over."""

import pytest
from nats.aio.client import Client

from consumers.control.entity_rebuild import rebuild_entity
from consumers.control.verify import verify
from consumers.engine.batch import decode_event
from foldline.settings import Settings
from line.jetstream import request_api, stream_info
from line.raw_event import RawEvent
from projections.catalogue import projection_named
from projections.sessions.session_replay import SessionReplay
from runtime.compat.nats_client import BusClient
from runtime.database.connections import Connection
from schemas.facts import MESSAGE_ID
from schemas.subjects import partition_of
from tests.property.strategies import NOON
from tests.support.engine import engine
from tests.support.line import Line, Model
from tests.support.settings import PARTITIONS

SESSIONS = projection_named("sessions")


async def widen(nc: Client, stream: str, *facts: str) -> None:
    """Have a stream take more facts of sessions, as a newer program does at its start."""
    config = (await stream_info(nc, stream))["config"]
    subjects = [*config["subjects"], *(f"ev.*.session.*.{fact}" for fact in facts)]
    answer = await request_api(nc, f"STREAM.UPDATE.{stream}", config | {"subjects": subjects})
    assert "error" not in answer, answer


async def test_unknown_facts_are_passed_over_and_verify_stays_clean(
    settings: Settings, nc: BusClient, db: Connection
) -> None:
    line, model = Line(nc), Model(db)
    await widen(nc, "SESSIONS", "renamed")
    await widen(nc, "HEARTBEATS", "pulse")
    async with engine(settings):  # which starts on the wider streams
        await line.created("S1")
        for number, body in enumerate((b'{"product":"Q"}', b"{", b"")):
            await line.put("renamed", "S1", body, headers={MESSAGE_ID: f"r{number}"})
        unknown = await line.put("renamed", "S2")  # a session of which nothing else is known
        pulse = await line.put("pulse", "S1")
        await model.passed("S1", pulse, "HEARTBEATS")
        await model.passed("S2", unknown)
        await model.passed("S2", unknown, follower="liveness")
        assert await model.rejected() == {}
        assert await model.session("S2") is None
        assert ((await model.session("S1")) or {})["state"] == {"product": "P", "version": "1"}
        assert (await verify(SESSIONS, settings, nc)).differences == []
        # The id of a fact that was passed over is free.
        await line.forget_message_ids()
        last = await line.put("event", "S1", {"name": "e"}, headers={MESSAGE_ID: "r1"})
        await model.passed("S1", last)
        assert await model.events("S1") == ["e"]
        assert await rebuild_entity(db, nc, SESSIONS, ("local", "S1"), PARTITIONS) == 2
        assert (await verify(SESSIONS, settings, nc)).differences == []


LONG = "x" * 300


@pytest.mark.parametrize(
    ("subject", "kind"),
    [
        ("ev.{part}.local.session.S1.renamed", "passed over"),
        ("ev.{part}.local.user.S1.created", "passed over"),
        (f"ev.{{part}}.local.session.{LONG}.renamed", "passed over"),
        (f"ev.{{part}}.local.user.{LONG}.created", "passed over"),
        (f"ev.{{part}}.local.session.S1.{LONG}", "passed over"),
        (f"ev.{{part}}.local.session.{LONG}.ended", "rejected"),
        ("ev.{part}.session.ended", "rejected"),
        ("ev.{part}.local.session.S1.ended", "folded"),
    ],
)
def test_what_a_projection_passes_over(subject: str, kind: str) -> None:
    part = partition_of("S1", PARTITIONS)
    raw = RawEvent("SESSIONS", part, 1, NOON, subject.format(part=part), b"", b"{}")
    event = decode_event(raw, SESSIONS.entity, SESSIONS.facts).event
    found = "passed over" if event is None else "rejected" if hasattr(event, "reason") else "folded"
    assert found == kind


def test_time_travel_passes_over_the_same_facts() -> None:
    part = partition_of("S1", PARTITIONS)
    facts = [("created", b'{"product":"P","version":"1"}'), ("renamed", b'{"product":"Q"}'), ("pulse", b"")]
    replay = SessionReplay(("local", "S1"))
    for sequence, (fact, body) in enumerate(facts, 1):
        stream = "HEARTBEATS" if fact == "pulse" else "SESSIONS"
        replay.add(RawEvent(stream, part, sequence, NOON, f"ev.{part}.local.session.S1.{fact}", b"", body))
    assert replay.session is not None
    assert replay.session.state == {"product": "P", "version": "1"}
    assert replay.heartbeat is None
