"""Upkeep: a durable that was deleted or changed is as declared again, and goes on where it was."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from nats.aio.client import Client
from nats.js.api import ConsumerConfig

from consumers.control.accept_line import accept_line
from consumers.control.reactors import pause_reactor, resume_reactor
from consumers.reactors.declaration import Task
from consumers.reactors.expiry import EXPIRY
from consumers.reactors.outcomes import Outcomes
from consumers.reactors.upkeep import Upkeep
from foldline.embedded.nats import NatsServer
from foldline.settings import Settings
from line.connection import close_bus, connect_bus
from line.durables import DurableState, find_durable
from line.identity import check_identity
from line.jetstream import request_api
from line.problems import StreamUnavailable
from line.raw_event import RawEvent
from projections.catalogue import PROJECTIONS
from runtime.database.connections import Connection, connect, pool
from tests.support.engine import engine
from tests.support.fresh_line import empty_line
from tests.support.line import Line
from tests.support.processes import Processes
from tests.support.reactors import running_reactors, toy_task
from tests.support.settings import line_settings
from tests.support.waiting import wait_until


async def delete_durable(nc: Client, task: Task) -> None:
    answer = await request_api(nc, f"CONSUMER.DELETE.{task.durable.stream}.{task.name}")
    assert answer.get("success"), answer


async def state(nc: Client, task: Task) -> DurableState:
    found = await find_durable(nc, task.durable)
    assert found, f"{task.name} has no durable"
    return found


async def restart(server: NatsServer) -> None:
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)


async def ack_floor(db: Connection, task: Task) -> int:
    cursor = await db.execute("select ack_floor from foldline.reactor where name = %s", (task.name,))
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


@asynccontextmanager
async def upkeep(settings: Settings, nc: Client, task: Task) -> AsyncIterator[Upkeep]:
    async with pool(settings, name="test-upkeep") as connections:
        yield Upkeep([task], nc, connections, Outcomes([task.name]))


async def nothing(_: RawEvent) -> None:
    return


TOY = toy_task(nothing)


async def test_a_deleted_durable_is_made_again_while_consumers_run(
    settings: Settings, nc: Client, db: Connection, processes: Processes
) -> None:
    line = Line(nc)
    consumers = [processes.consumer(settings) for _ in range(2)]
    for consumer in consumers:
        consumer.wait_for("follows the line", 60)

    def logged(text: str) -> int:
        return sum(consumer.text().count(text) for consumer in consumers)

    await line.created("first")
    expired = await line.put("expired", "first")
    await wait_until(lambda: logged("first.expired purged"), 30)
    await wait_until(lambda: _is(ack_floor(db, EXPIRY), expired), what="the ack floor is kept")
    await delete_durable(nc, EXPIRY)
    await line.created("second")
    await line.put("expired", "second")
    await wait_until(lambda: logged("second.expired purged"), 30, what="the second is purged")
    assert logged(f"expiry: its durable is made, from sequence {expired + 1}") >= 1
    assert logged("first.expired purged") == 1
    assert [fact.fact for fact in await line.stored()] == ["expired", "expired"]
    # And once more, now that they have been through it.
    await delete_durable(nc, EXPIRY)
    await line.put("expired", "third")
    await wait_until(lambda: logged("third.expired purged"), 30, what="the third is purged")


async def _is(answer: object, wanted: int) -> bool:
    return bool(await answer == wanted)  # type: ignore[misc]


async def test_nats_restarts_and_a_pause_holds(own_nats: NatsServer, new_database: Callable[[], str]) -> None:
    settings = line_settings(own_nats, new_database())
    handled: list[int] = []

    async def note(event: RawEvent) -> None:
        handled.append(event.sequence)

    toy = toy_task(note)
    async with running_reactors(settings, toy), await connect(settings, name="test") as db:
        nc = await connect_bus(settings, name="test")
        line = Line(nc)
        first = await line.put("ended", "S1")
        await wait_until(lambda: handled == [first])
        await db.execute(
            "update foldline.reactor set paused = 'a test', paused_at = now() where name = 'toy'"
        )

        async def paused() -> bool:
            with suppress(StreamUnavailable):
                return (await state(nc, toy)).paused
            return False

        await wait_until(paused)
        second = await line.put("ended", "S2")
        await restart(own_nats)
        await wait_until(paused, 30)
        assert handled == [first]
        await db.execute("update foldline.reactor set paused = null where name = 'toy'")
        await wait_until(lambda: handled == [first, second], 30)
        await delete_durable(nc, toy)
        await restart(own_nats)
        third = await wait_until(lambda: line.put("ended", "S3"), 30)
        await wait_until(lambda: third in handled, 30)
        await close_bus(nc)


async def test_a_durable_that_was_changed_is_as_declared_again(
    settings: Settings, nc: Client, db: Connection
) -> None:
    async with upkeep(settings, nc, TOY) as kept:
        await kept.run()
        config = (await state(nc, TOY)).config | {"ack_wait": 1_000_000_000, "filter_subject": "ev.>"}
        request = {"stream_name": "SESSIONS", "config": config}
        assert "error" not in await request_api(nc, "CONSUMER.CREATE.SESSIONS.toy", request)
        assert len(TOY.durable.drift((await state(nc, TOY)).config)) == 2
        await kept.run()
        assert TOY.durable.drift((await state(nc, TOY)).config) == []


async def test_the_durable_of_an_older_program_is_taken_over(
    settings: Settings, nc: Client, db: Connection
) -> None:
    line = Line(nc)
    done, left = await line.put("ended", "S1"), await line.put("ended", "S2")
    (subject,) = TOY.durable.filters
    config = ConsumerConfig(ack_wait=30, max_deliver=-1)  # as FastStream made it, without our version
    reader = await nc.jetstream().pull_subscribe(subject, durable="toy", stream="SESSIONS", config=config)
    (message,) = await reader.fetch(1)
    await message.ack_sync()
    async with upkeep(settings, nc, TOY) as kept:
        await kept.run()
        await kept.run()
    found = await state(nc, TOY)
    assert (found.ack_floor, found.pending) == (done, 1)
    assert TOY.durable.drift(found.config) == []
    assert await ack_floor(db, TOY) == done
    (message,) = await reader.fetch(1)
    assert message.metadata.sequence.stream == left


async def test_a_pause_is_passed_on_and_taken_back(settings: Settings, nc: Client, db: Connection) -> None:
    async with upkeep(settings, nc, EXPIRY) as kept:
        await kept.run()
        assert await pause_reactor(db, "expiry", "a test")
        assert not await pause_reactor(db, "expiry", "a test")
        await kept.run()
        assert (await state(nc, EXPIRY)).paused
        await delete_durable(nc, EXPIRY)
        await kept.run()
        assert (await state(nc, EXPIRY)).paused
        assert await resume_reactor(db, "expiry")
        assert not await resume_reactor(db, "expiry")
        await kept.run()
        assert not (await state(nc, EXPIRY)).paused


async def test_none_is_made_on_another_line_until_it_is_accepted(
    settings: Settings, nc: Client, db: Connection
) -> None:
    line = Line(nc)
    async with running_reactors(settings, TOY):
        await check_identity(nc, db, closely=True)
        ended = await line.put("ended", "S1")
        await wait_until(lambda: _is(ack_floor(db, TOY), ended))
    await empty_line(settings)
    async with upkeep(settings, nc, TOY) as kept:
        with pytest.raises(StreamUnavailable, match="is another one"):
            await kept.run()
        assert await find_durable(nc, TOY.durable) is None
        async with engine(settings):
            await accept_line(PROJECTIONS, settings, nc)
        await kept.run()
        assert (await state(nc, TOY)).ack_floor == 0


async def test_trouble_is_logged_once(
    own_nats: NatsServer, new_database: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    settings = line_settings(own_nats, new_database())
    nc = await connect_bus(settings, name="test")
    async with upkeep(settings, nc, TOY) as kept:
        with caplog.at_level(logging.WARNING, "foldline.reactors"):
            for _ in range(2):  # there is no stream yet
                await kept.try_run()
    await close_bus(nc)
    assert [record.getMessage() for record in caplog.records if "not looked after" in record.message] == [
        "reactors are not looked after, trying again: stream SESSIONS: is gone"
    ]
