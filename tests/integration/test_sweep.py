"""Expiry beside rebuilds: every generation reads that a session is gone; then the line forgets that, too."""

from datetime import timedelta

from nats.aio.client import Client

from consumers.control.rebuild import rebuild
from consumers.control.verify import verify
from consumers.engine.projector import Projector
from consumers.reactors.expiry import EXPIRY
from consumers.reactors.sweep import Sweep
from foldline.settings import Settings
from line.connection import connect_bus
from projections.catalogue import projection_named
from projections.generations import Role, create, name_of
from runtime.database.connections import Connection
from schemas.facts import MESSAGE_ID
from tests.support.engine import following
from tests.support.line import Line, Model
from tests.support.processes import Processes
from tests.support.waiting import wait_until

SESSIONS = projection_named("sessions")


async def facts_of(line: Line, session_id: str) -> list[str]:
    return [fact.fact for fact in await line.stored() if f".{session_id}." in fact.subject]


async def purged(line: Line, session_id: str) -> None:
    """Nothing but the expiry is left."""

    async def gone() -> bool:
        return await facts_of(line, session_id) == ["expired"]

    await wait_until(gone, 60, what=f"{session_id} is purged")


async def sweep(nc: Client, db: Connection, count: int) -> None:
    """Wait until the sweep finds `count` facts that may go; it may find none before."""
    sweeper = Sweep(nc, [EXPIRY.durable], age=timedelta(0))
    assert await wait_until(lambda: sweeper.run(db), 30, what="the sweep") == count
    assert await sweeper.run(db) == 0


async def clean(settings: Settings, nc: Client) -> bool:
    found = await verify(SESSIONS, settings, nc)
    assert found.differences == []
    return True


async def test_a_session_expires_while_a_generation_has_folded_half_of_it(
    settings: Settings, nc: Client, db: Connection, processes: Processes
) -> None:
    line, model = Line(nc), Model(db)
    await line.created("kept")
    half = await line.created("S1")
    await line.put("heartbeat", "S1")
    async with db.transaction():
        await create(db, SESSIONS, Role.BUILDING, settings.partitions)
    building = name_of("sessions", Role.BUILDING)
    reading = await connect_bus(settings, name="test-building")
    async with following(reading, settings, Projector(SESSIONS.in_schema(building))):
        await model.passed("S1", half, follower=building)
    await reading.close()
    await line.put("event", "S1", {"name": "never folded by the one being built"})
    consumer = processes.consumer(settings)
    await line.put("expired", "S1")
    consumer.wait_for("S1.expired purged", 60)
    await purged(line, "S1")
    half_built = f"select id from {building}.session order by id"
    assert await (await db.execute(half_built.encode())).fetchall() == [("S1",), ("kept",)]
    # The one being built has not read it yet: the fact must stay.
    assert await Sweep(nc, [EXPIRY.durable], age=timedelta(0)).run(db) == 0
    assert await facts_of(line, "S1") == ["expired"]

    await rebuild(SESSIONS, settings, nc)
    assert await model.session("S1") is None
    assert await model.session("kept")
    assert await clean(settings, nc)
    await sweep(nc, db, 1)
    assert await facts_of(line, "S1") == []
    assert await clean(settings, nc)


async def test_a_lone_expiry_is_nothing_to_a_generation_begun_later(
    settings: Settings, nc: Client, db: Connection, processes: Processes
) -> None:
    line, model = Line(nc), Model(db)
    consumer = processes.consumer(settings)
    ids = {MESSAGE_ID: "local:session:S1:e"}
    await line.created("S1")
    await line.put("event", "S1", {"name": "e"}, headers=ids)
    await line.put("state", "S1", b"{")
    await line.put("heartbeat", "S1")
    await line.put("expired", "S1")
    consumer.wait_for("S1.expired purged", 60)
    await purged(line, "S1")
    assert await line.stored("HEARTBEATS") == []
    assert await clean(settings, nc)
    await rebuild(SESSIONS, settings, nc)
    assert await model.session("S1") is None
    assert await model.rejected() == {}
    assert await clean(settings, nc)
    await sweep(nc, db, 1)
    assert await line.stored() == []
    await rebuild(SESSIONS, settings, nc)
    assert await clean(settings, nc)


async def test_a_rejected_expiry_is_never_swept(
    settings: Settings, nc: Client, db: Connection, processes: Processes
) -> None:
    line, model = Line(nc), Model(db)
    consumer = processes.consumer(settings)
    await line.put("expired", "S1", b"{")
    await line.put("expired", "S2")
    consumer.wait_for("S1.expired: the fact was rejected", 60)
    consumer.wait_for("S2.expired purged", 60)
    await sweep(nc, db, 1)
    assert [fact.subject for fact in await line.stored()] == ["ev.local.session.S1.expired"]
    assert list((await model.rejected()).values()) == ["invalid_json"]
    assert await clean(settings, nc)


async def test_a_young_expiry_is_left_for_verifications_that_begin(
    settings: Settings, nc: Client, db: Connection, processes: Processes
) -> None:
    line = Line(nc)
    consumer = processes.consumer(settings)
    await line.put("expired", "old")
    consumer.wait_for("old.expired purged", 60)
    await sweep(nc, db, 1)
    await line.put("expired", "young")
    consumer.wait_for("young.expired purged", 60)
    (young,) = await line.stored()
    assert young.fact == "expired"
    assert await Sweep(nc, [EXPIRY.durable], age=timedelta(minutes=10)).run(db) == 0
    await sweep(nc, db, 1)
