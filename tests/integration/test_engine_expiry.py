"""Expiry: an expired session is gone from the read model, and then from the line."""

from nats.aio.client import Client

from foldline.embedded.nats import NatsServer
from foldline.settings import Settings
from runtime.database.connections import Connection
from tests.support.line import Line, Model, publish_raw
from tests.support.processes import Processes
from tests.support.waiting import wait_until


async def subjects(line: Line, stream: str = "SESSIONS") -> set[str]:
    return {fact.subject for fact in await line.stored(stream)}


async def test_an_expired_session_is_purged_and_others_stay(
    settings: Settings, nc: Client, db: Connection, processes: Processes
) -> None:
    line, model = Line(nc), Model(db)
    for session_id in ("old", "kept"):
        await line.created(session_id)
        await line.put("event", session_id, {"name": "n"})
        await line.put("heartbeat", session_id)
    await line.put("expired", "old")
    again = await line.put("state", "old", {"again": True})
    processes.consumer(settings)

    async def purged() -> bool:
        stored = await subjects(line)
        return "ev.local.session.old.created" not in stored and not any(
            ".old." in subject for subject in await subjects(line, "HEARTBEATS")
        )

    await wait_until(purged, 60)
    assert await subjects(line) == {
        "ev.local.session.kept.created",
        "ev.local.session.kept.event",
        "ev.local.session.old.expired",  # until the sweep
        "ev.local.session.old.state",  # it began anew after its expiry
    }
    assert await subjects(line, "HEARTBEATS") == {"ev.local.session.kept.heartbeat"}
    await model.passed("old", again)
    reborn = await model.session("old")
    assert reborn
    assert reborn["state"] == {"again": True}
    assert reborn["events"] == []
    assert "last_heartbeat" not in reborn
    assert await model.events("kept") == ["n"]


async def test_a_rejected_expiry_purges_nothing(
    settings: Settings, nc: Client, db: Connection, processes: Processes, shared_nats: NatsServer
) -> None:
    line, model = Line(nc), Model(db)
    await line.created("S1")
    await publish_raw(shared_nats.url, (b"ev.local.session.\xff.expired", b"", b""))
    await line.put("expired", "S1", b"{")
    await line.created("S2")
    await line.put("expired", "S2")
    consumer = processes.consumer(settings)
    # Served in order: when the last one is gone, the others have been looked at.
    consumer.wait_for("ev.local.session.S2.expired purged", 60)
    consumer.wait_for("ev.local.session.S1.expired: the fact was rejected", 30)
    assert "ev.local.session.S1.created" in await subjects_of(line, "S1")
    assert await model.session("S1")
    assert sorted((await model.rejected()).values()) == ["invalid_json", "invalid_subject"]


async def subjects_of(line: Line, session_id: str) -> set[str]:
    message = await line.js.get_last_msg("SESSIONS", f"ev.*.local.session.{session_id}.created")
    assert message.subject
    _, _, rest = message.subject.split(".", 2)
    return {f"ev.{rest}"}
