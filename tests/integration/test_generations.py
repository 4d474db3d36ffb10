"""Life of generations: upgrades, going back, pauses, and rebuilds that are interrupted."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from nats.aio.client import Client

from consumers.control.building_generation import drop_generation
from consumers.control.pause import pause, resume
from consumers.control.rebuild import RebuildCancelled, rebuild
from consumers.control.verify import verify
from foldline.settings import Settings
from projections.catalogue import projection_named
from projections.generations import Role, cancel_building, generations
from runtime.database.connections import Connection, connect
from runtime.problems import Problem
from tests.support.engine import engine
from tests.support.line import Line, Model
from tests.support.processes import Processes
from tests.support.waiting import wait_until

SESSIONS = projection_named("sessions")


async def roles(db: Connection) -> dict[Role, int]:
    return {role: one.number for role, one in (await generations(db, "sessions")).items()}


@asynccontextmanager
async def held_live_leases(settings: Settings) -> AsyncIterator[None]:
    """No swap can take place."""
    async with await connect(settings, name="test-held") as conn, conn.transaction():
        await conn.execute("select from foldline.lease where follower = 'sessions' for update")
        yield


async def became_older(db: Connection) -> None:
    """As if the live read model had been folded by the program before this one."""
    await db.execute("update foldline.generation set version = 0")
    await db.execute("update foldline.lease set version = 0 where follower = 'sessions'")


async def test_a_newer_program_rebuilds_beside_the_old_version_and_switches(
    settings: Settings, nc: Client, db: Connection, processes: Processes
) -> None:
    line, model = Line(nc), Model(db)
    await line.created("S1")
    async with engine(settings):
        await model.passed("S1", await line.put("event", "S1", {"name": "first"}))
    await became_older(db)
    unseen = await line.put("event", "S1", {"name": "second"})
    consumers = [processes.consumer(settings) for _ in range(2)]
    await model.passed("S1", unseen)
    assert await model.events("S1") == ["first", "second"]
    live = (await generations(db, "sessions"))[Role.LIVE]
    assert (live.number, live.version) == (2, SESSIONS.version)
    await model.passed("S1", await line.put("event", "S1", {"name": "third"}))
    assert await model.events("S1") == ["first", "second", "third"]
    assert [consumer.stop() for consumer in consumers] == [0, 0]


async def test_an_older_program_leaves_a_newer_read_model_alone(
    settings: Settings, db: Connection, processes: Processes
) -> None:
    await db.execute("update foldline.generation set version = 9")
    await db.execute("update foldline.lease set version = 9 where follower = 'sessions'")
    consumer = processes.consumer(settings)
    await wait_until(lambda: not consumer.running)
    folded = f"PostgreSQL holds version 9, this program folds version {SESSIONS.version}"
    assert folded in consumer.text()


async def test_the_generation_before_can_be_put_back(settings: Settings, nc: Client, db: Connection) -> None:
    line, model = Line(nc), Model(db)
    await line.created("S1")
    async with engine(settings):
        await model.passed("S1", await line.put("event", "S1", {"name": "first"}))
        with pytest.raises(Problem, match="nothing to put back"):
            await rebuild(SESSIONS, settings, nc, put_back=True)
        await rebuild(SESSIONS, settings, nc)
        assert await roles(db) == {Role.LIVE: 2, Role.OLD: 1}
        await model.passed("S1", await line.put("event", "S1", {"name": "second"}))
        await rebuild(SESSIONS, settings, nc, put_back=True)
        assert await roles(db) == {Role.LIVE: 1, Role.OLD: 2}
        assert await model.events("S1") == ["first", "second"]
        assert (await verify(SESSIONS, settings, nc)).total == 0
        assert await drop_generation(settings, "sessions", Role.OLD)
        assert not await drop_generation(settings, "sessions", Role.OLD)
        assert await roles(db) == {Role.LIVE: 1}


async def test_a_cancelled_rebuild_goes_on_where_it_was(
    settings: Settings, nc: Client, db: Connection
) -> None:
    line = Line(nc)
    await line.created("S1")
    await pause(db, "sessions", "the live checkpoint stays ahead")
    seen = asyncio.Event()
    # The line is at rest, so it is the swap that is held up: by a lock on the live leases.
    async with held_live_leases(settings):
        running = asyncio.create_task(rebuild(SESSIONS, settings, nc, report=lambda _: seen.set()))
        await asyncio.wait_for(seen.wait(), 20)
        with pytest.raises(Problem, match="already under way"):
            await rebuild(SESSIONS, settings, nc)
        assert await cancel_building(db, "sessions")
        with pytest.raises(RebuildCancelled):
            await asyncio.wait_for(running, 20)
    built = await generations(db, "sessions")
    assert built[Role.BUILDING].cancelled
    await rebuild(SESSIONS, settings, nc)
    assert await roles(db) == {Role.LIVE: built[Role.BUILDING].number, Role.OLD: 1}


async def test_a_paused_projection_stays_paused_over_a_restart(
    settings: Settings, nc: Client, db: Connection, processes: Processes
) -> None:
    line, model = Line(nc), Model(db)
    consumer = processes.consumer(settings)
    await model.passed("S1", await line.created("S1"))
    await pause(db, "sessions", "a look at the rows")
    consumer.stop()
    unseen = await line.put("event", "S1", {"name": "while paused"})
    processes.consumer(settings)
    await model.passed("S1", unseen, follower="liveness")
    assert await model.events("S1") == []
    assert await resume(db, "sessions") == 16
    await model.passed("S1", unseen)
    assert await model.events("S1") == ["while paused"]


@pytest.mark.parametrize("reason", ["", " ", "x" * 501, "a\x00b"])
async def test_a_pause_needs_a_reason(db: Connection, reason: str) -> None:
    with pytest.raises(Problem, match="needs a reason"):
        await pause(db, "sessions", reason)


async def test_commands(settings: Settings, nc: Client, db: Connection, processes: Processes) -> None:
    line, model = Line(nc), Model(db)
    processes.consumer(settings)
    await model.passed("S1", await line.created("S1"))

    async def foldline(*arguments: str) -> tuple[int, str]:
        process = processes.start(f"cli-{len(processes.all)}", arguments, settings)
        await wait_until(lambda: not process.running, 60)
        return process.stop(), process.text()

    code, text = await foldline("rebuild", "sessions", "--json")
    assert code == 0
    assert json.loads(text.splitlines()[-1])["phase"] == "done"
    code, text = await foldline("verify", "sessions")
    assert (code, "equal" in text) == (0, True)
    await db.execute("update sessions.session set hostname = 'changed'")
    code, text = await foldline("verify", "sessions", "--json")
    found = json.loads(text.splitlines()[-1])
    assert (code, found["total"]) == (1, 1)
    assert found["differences"][0]["columns"] == {"hostname": {"there": "changed", "line": None}}
    assert (await foldline("put-back", "sessions"))[0] == 0
    assert "1 live" in (await foldline("projections"))[1]
    assert (await foldline("pause", "sessions", "--reason", "a test"))[0] == 0
    assert "a test" in (await foldline("projections"))[1]
    assert (await foldline("resume", "sessions"))[0] == 0
    assert "dropped" in (await foldline("drop", "sessions", "old"))[1]
    assert await foldline("rebuild", "nothing") == (
        1,
        "foldline: no projection 'nothing': known are sessions, jobs\n",
    )


async def test_ctrl_c_keeps_what_was_built(
    settings: Settings, nc: Client, db: Connection, processes: Processes
) -> None:
    await Line(nc).created("S1")
    async with held_live_leases(settings):
        command = processes.start("rebuild", ("rebuild", "sessions"), settings)
        await wait_until(lambda: roles_seen(db))
        command.send(signal.SIGINT)
        await wait_until(lambda: not command.running)
    assert command.stop() == 130
    assert "goes on" in command.text()
    assert Role.BUILDING in await roles(db)


async def roles_seen(db: Connection) -> bool:
    return Role.BUILDING in await roles(db)
