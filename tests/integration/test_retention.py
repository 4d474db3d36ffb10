"""Retention: silent sessions expire once, touched ones live on, and nothing is left of those that went."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from nats.aio.client import Client

from consumers.reactors import retention
from consumers.reactors.declaration import PeriodicRun
from consumers.reactors.outcomes import Outcomes
from consumers.reactors.periodic import run_in_one_replica
from consumers.reactors.retention import Retention
from foldline.settings import Settings
from runtime.database.connections import Connection, pool
from tests.support.engine import engine, reactor_resources
from tests.support.line import Line, Model
from tests.support.processes import Processes
from tests.support.waiting import wait_until

NOW = timedelta(0)
LONG = timedelta(days=1)


@asynccontextmanager
async def reactor(settings: Settings, age: timedelta, *, page: int = 2) -> AsyncIterator[Retention]:
    """A retention reactor as a consumer wires it."""
    async with reactor_resources(settings) as made:
        yield Retention(
            made.nc,
            made.publisher,
            made.progress,
            partitions=settings.partitions,
            age=age,
            page=page,
        )


async def run_once(settings: Settings, run: PeriodicRun) -> int | None:
    return await run_in_one_replica(settings, "retention", run, Outcomes(["retention"]))


async def expired(line: Line) -> list[str]:
    return sorted(fact.session_id for fact in await line.stored() if fact.fact == "expired")


async def filled(line: Line, model: Model, count: int) -> None:
    for number in range(count):
        sequence = await line.created(f"S{number}")
        await model.passed(f"S{number}", sequence)


async def test_silent_sessions_expire_page_by_page(settings: Settings, nc: Client, db: Connection) -> None:
    line, model = Line(nc), Model(db)
    async with engine(settings), reactor(settings, NOW) as silent:
        await filled(line, model, 5)
        ended = await line.put("ended", "S4")
        await model.passed("S4", ended)
        assert await run_once(settings, silent.run) == 5
        assert await model.session("S0") is None
        assert await run_once(settings, silent.run) == 0
    assert await expired(line) == ["S0", "S1", "S2", "S3", "S4"]


async def test_what_the_line_heard_of_keeps_a_session(settings: Settings, nc: Client, db: Connection) -> None:
    """By event time the session is old; what counts is when its facts were stored, a rejected one, too."""
    line, model = Line(nc), Model(db)
    async with engine(settings), reactor(settings, LONG) as silent:
        await model.passed("S1", await line.created("S1", timestamp="2020-01-01T00:00:00Z"))
        assert await run_once(settings, silent.run) == 0
    assert await expired(line) == []


async def test_a_session_with_a_rejected_last_fact_expires(
    settings: Settings, nc: Client, db: Connection
) -> None:
    line, model = Line(nc), Model(db)
    async with engine(settings), reactor(settings, NOW) as silent:
        await line.created("S1")
        await model.passed("S1", await line.put("state", "S1", b"{"))
        assert await run_once(settings, silent.run) == 1


async def test_a_session_touched_at_the_last_moment_survives(
    settings: Settings, nc: Client, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, model = Line(nc), Model(db)
    async with engine(settings), reactor(settings, NOW) as silent:
        await filled(line, model, 2)
        look = retention.newest_heartbeat

        async def touched(bus: Client, key: tuple[str, str], partitions: int) -> object:
            if key[1] == "S1":
                await line.put("event", "S1", {"name": "last moment"})
            return await look(bus, key, partitions)

        monkeypatch.setattr(retention, "newest_heartbeat", touched)
        assert await run_once(settings, silent.run) == 1
        assert await expired(line) == ["S0"]
        assert await wait_until(lambda: model.events("S1")) == ["last moment"]


async def test_a_heartbeat_keeps_a_session(settings: Settings, nc: Client, db: Connection) -> None:
    line, model = Line(nc), Model(db)
    async with engine(settings), reactor(settings, NOW) as silent:
        created = await line.created("S1", timestamp="2020-01-01T00:00:00Z")
        heartbeat = await line.put("heartbeat", "S1")
        await model.passed("S1", created)
        (beat,) = await line.stored("HEARTBEATS")
        # Not yet in the read model or already: the line is asked.
        assert await silent.expire(db, beat.stored_at) == 0
        await model.passed("S1", heartbeat, "HEARTBEATS")
        assert await silent.expire(db, beat.stored_at) == 0
        assert await silent.expire(db, beat.stored_at + timedelta(microseconds=1)) == 1


async def test_two_replicas_expire_once(settings: Settings, nc: Client, db: Connection) -> None:
    line, model = Line(nc), Model(db)
    async with engine(settings), reactor(settings, NOW) as one, reactor(settings, NOW) as other:
        await filled(line, model, 10)
        # Without the lock as well: the fact's id and the expected sequence alone must do.
        async with pool(settings, name="test") as conns, conns.connection() as a, conns.connection() as b:
            counts = await asyncio.gather(one.run(a), other.run(b))
        assert sum(counts) == 10
    assert len(await expired(line)) == 10


async def test_one_replica_at_a_time(settings: Settings) -> None:
    inside, leave = asyncio.Event(), asyncio.Event()

    async def long(_: Connection) -> int:
        inside.set()
        await leave.wait()
        return 1

    first = asyncio.create_task(run_once(settings, long))
    await asyncio.wait_for(inside.wait(), 20)
    assert await run_once(settings, long) is None
    leave.set()
    assert await first == 1
    assert await run_once(settings, long) == 1


async def test_without_retention_nobody_looks(settings: Settings, processes: Processes) -> None:
    """The reactor does not even start; with a retention it does."""
    kept = processes.consumer(settings)
    kept.wait_for("follows the line", 60)
    limited = processes.consumer(settings.model_copy(update={"session_retention_days": 30.0}))
    limited.wait_for("follows the line", 60)
    assert "sessions expire after 30" in limited.text()
    assert "sessions expire after" not in kept.text()
