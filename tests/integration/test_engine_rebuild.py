"""After an expiry the live rows are those a rebuild finds: what left the line has left no trace."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from nats.aio.client import Client

from consumers.reactors.expiry import EXPIRY
from foldline.settings import Settings
from line.raw_event import RawEvent
from runtime.database.connections import Connection, connect
from schemas.facts import MESSAGE_ID
from schemas.headers import NO_HEADERS
from schemas.sessions.streams import SESSIONS
from schemas.stored_subjects import stored_form
from schemas.subjects import Subject, partition_of
from tests.support.engine import engine, reactor_resources
from tests.support.folding import Folding
from tests.support.line import Line, Model
from tests.support.settings import PARTITIONS

CREATED = {"product": "P", "version": "1"}


@pytest.fixture
async def scratch(settings: Settings, new_database: Any) -> AsyncIterator[Folding]:
    """A second database with an empty read model."""
    elsewhere = settings.model_copy(update={"database_url": new_database()})
    async with await connect(elsewhere, name="test-rebuild") as conn:
        folding = Folding(conn)
        await folding.start_over()
        yield folding


async def life(line: Line, session_id: str, *, version: str) -> dict[str, str]:
    """A session with chosen message ids and rejected facts; answers the ids by fact."""
    ids = {fact: f"local:session:{session_id}:{fact}" for fact in ("created", "event")}
    await line.put(
        "created", session_id, CREATED | {"version": version}, headers={MESSAGE_ID: ids["created"]}
    )
    await line.put("state", session_id, b"{")
    await line.put("event", session_id, {"name": version}, headers={MESSAGE_ID: ids["event"]})
    await line.created(session_id, version="rejected")
    return ids


async def expire(line: Line, session_id: str) -> RawEvent:
    sequence = await line.put("expired", session_id)
    *_, expired = await line.stored()
    part, subject = partition_of(session_id, PARTITIONS), Subject("local", "session", session_id, "expired")
    stored = stored_form(str(subject), PARTITIONS)
    return RawEvent(SESSIONS.name, part, sequence, expired.stored_at, stored, NO_HEADERS, b"")


async def purge(settings: Settings, expired: RawEvent) -> None:
    """What the reactor does with the fact."""
    async with reactor_resources(settings) as resources:
        await EXPIRY.make(resources)(expired)


async def equal(line: Line, db: Connection, scratch: Folding) -> dict[str, list[str]]:
    """The live rows, which are those of the line read from its start."""
    await scratch.fold([await line.stored(), await line.stored("HEARTBEATS")])
    live = await Folding(db).rows()
    assert live == await scratch.rows()
    return live


@pytest.mark.parametrize("together", [True, False], ids=["one-batch", "batch-by-batch"])
async def test_a_session_begun_again_is_as_a_rebuild_finds_it(
    settings: Settings, nc: Client, db: Connection, scratch: Folding, together: bool
) -> None:
    line, model = Line(nc), Model(db)

    async def facts() -> tuple[RawEvent, RawEvent]:
        for session_id in ("kept", "again", "gone"):
            await life(line, session_id, version="1")
            await line.put("heartbeat", session_id)
        if not together:
            await model.caught_up(line, "sessions", "liveness")
        again, gone = await expire(line, "again"), await expire(line, "gone")
        if not together:
            await model.caught_up(line, "sessions", "liveness")
        await line.forget_message_ids()  # JetStream's own memory lasts two minutes
        ids = await life(line, "again", version="2")
        repeated = {MESSAGE_ID: ids["event"]}
        await line.put("event", "again", {"name": "a repetition"}, headers=repeated)
        return again, gone

    if together:
        again, gone = await facts()
    async with engine(settings):
        if not together:
            again, gone = await facts()
        await model.caught_up(line, "sessions", "liveness")
        # Only the first use of each id went away: JetStream forgot the others as well.
        await purge(settings, again)
        await purge(settings, gone)
    live = await equal(line, db, scratch)
    assert len(live["session"]) == 3  # with the probe of forget_message_ids
    assert await model.events("again") == ["2"]
    assert await model.session("gone") is None
    assert sorted((await model.rejected()).values()) == ["already_created"] * 2 + ["invalid_json"] * 2


@pytest.mark.parametrize("reborn", [True, False], ids=["begun-again", "heartbeat-only"])
async def test_a_heartbeat_from_after_the_expiry_survives_the_purge(
    settings: Settings, nc: Client, db: Connection, scratch: Folding, reborn: bool
) -> None:
    """The application lives on and is heard before the reactor gets to purge."""
    line, model = Line(nc), Model(db)
    async with engine(settings):
        await line.created("S1")
        await line.put("heartbeat", "S1")
        expired = await expire(line, "S1")
        await line.put("heartbeat", "S1")
        if reborn:
            await line.created("S1", version="2")
        await model.caught_up(line, "sessions", "liveness")
        await purge(settings, expired)
    assert [fact.subject for fact in await line.stored("HEARTBEATS")] == ["ev.local.session.S1.heartbeat"]
    assert [fact.fact for fact in await line.stored()] == ["expired"] + ["created"] * reborn
    live = await equal(line, db, scratch)
    assert len(live["heartbeat"]) == 1
    session = await model.session("S1")
    assert (session is not None) is reborn
    assert not session or session["last_heartbeat"]


async def test_a_heartbeat_from_before_the_expiry_goes_with_the_session(
    settings: Settings, nc: Client, db: Connection, scratch: Folding
) -> None:
    line, model = Line(nc), Model(db)
    async with engine(settings):
        await line.created("S1")
        await line.put("heartbeat", "S1")
        expired = await expire(line, "S1")
        await model.caught_up(line, "sessions", "liveness")
        await purge(settings, expired)
    assert await line.stored("HEARTBEATS") == []
    assert await equal(line, db, scratch) == {table: [] for table in await scratch.rows()}
