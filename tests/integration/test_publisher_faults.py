"""The publisher when the bus dies, hangs or is away: nothing acknowledged is lost, nothing is there twice."""

import asyncio
import time
import uuid

import pytest

from foldline.embedded.nats import NatsServer
from line.connection import close_bus, connect_bus
from producers.publishing.publisher import Ack, BusUnavailable, Publisher
from producers.publishing.requests import InDoubt, Requests
from schemas.facts import Fact
from tests.support.publisher import (
    number,
    numbered,
    open_publisher,
    sequence,
    stopped,
    stored,
    stored_of,
)
from tests.support.settings import line_settings
from tests.support.waiting import wait_until

SESSIONS = 40


class Load:
    """Callers that publish numbered facts, one after another, each to its session, and note the answers."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.sessions = [uuid.uuid4().hex for _ in range(SESSIONS)]
        self.acknowledged: dict[tuple[str, int], int] = {}
        self.refused = 0
        self._stop = False

    async def run(self) -> None:
        bulk = (self._bulk(session) for session in self.sessions[: SESSIONS // 4])
        singles = (self._singles(session) for session in self.sessions[SESSIONS // 4 :])
        await asyncio.gather(*bulk, *singles)

    def stop(self) -> None:
        self._stop = True

    async def _singles(self, session: str) -> None:
        n = 0
        while not self._stop:
            try:
                ack = await self.publisher.publish(numbered(session, n))
                self.acknowledged[session, n] = ack.position.sequence
            except BusUnavailable:
                self.refused += 1
            n += 1

    async def _bulk(self, session: str) -> None:
        n = 0
        while not self._stop:
            outcomes = await self.publisher.publish_many([numbered(session, n + i) for i in range(20)])
            for i, outcome in enumerate(outcomes):
                if isinstance(outcome, BusUnavailable):
                    self.refused += 1
                else:
                    assert not isinstance(outcome, Exception)
                    self.acknowledged[session, n + i] = outcome.position.sequence
            n += 20


@pytest.mark.parametrize("bound", [20.0, 0.4])
async def test_server_killed_under_load(own_nats: NatsServer, bound: float) -> None:
    async with open_publisher(own_nats, timeout=bound) as publisher:
        load = Load(publisher)
        running = asyncio.create_task(load.run())
        for _ in range(3):
            before = len(load.acknowledged)
            await wait_until(lambda so_far=before: len(load.acknowledged) > so_far + 500)
            own_nats.kill()
            refused = load.refused
            if bound < 1:
                await wait_until(lambda so_far=refused: load.refused > so_far)
            own_nats.spawn()
            await wait_until(own_nats.is_ready)
        before = len(load.acknowledged)
        await wait_until(lambda: len(load.acknowledged) > before + 500)
        load.stop()
        await running

    nc = await connect_bus(line_settings(own_nats), name="look")
    messages = await stored(nc)
    await nc.close()
    kept = {(message.subject.split(".")[4], number(message)): sequence(message) for message in messages}
    assert len(kept) == len(messages)
    assert {item: kept.get(item) for item in load.acknowledged} == load.acknowledged
    assert load.refused == 0 or bound < 1
    for session in load.sessions:
        mine = [n for (of, n), _ in sorted(kept.items(), key=lambda entry: entry[1]) if of == session]
        assert mine == sorted(mine)


async def test_bound_is_kept_and_nothing_is_sent_later(own_nats: NatsServer) -> None:
    session = uuid.uuid4().hex
    async with open_publisher(own_nats, timeout=0.5) as publisher:
        await publisher.publish(numbered(session, 0))
        own_nats.kill()
        started = time.monotonic()
        outcomes = await asyncio.gather(
            *(publisher.publish(numbered(session, n)) for n in range(1, 50)),
            publisher.publish_many([numbered(uuid.uuid4().hex, n) for n in range(200)]),
            return_exceptions=True,
        )
        assert time.monotonic() - started < 3
        assert all(isinstance(outcome, BusUnavailable) for outcome in outcomes[:-1])
        assert isinstance(outcomes[-1], list)
        assert all(isinstance(outcome, BusUnavailable) for outcome in outcomes[-1])
        own_nats.start()
        last = await wait_until(lambda: _try(publisher, numbered(session, 99)))
        assert last is not None
        nc = await connect_bus(line_settings(own_nats), name="look")
        assert [number(message) for message in await stored(nc)] == [0, 99]
        assert last.position.sequence == 2
        await nc.close()


async def test_lost_connection_ends_waits_before_their_timeout(own_nats: NatsServer) -> None:
    nc = await connect_bus(line_settings(own_nats), name="test", publisher=True)
    requests = Requests(nc)
    with stopped(own_nats):
        waiting = asyncio.create_task(requests.ask("$JS.API.INFO", b"", timeout=60))
        await wait_until(lambda: nc.stats["out_bytes"] > 0)
        own_nats.kill()
        with pytest.raises(InDoubt, match="lost"):
            await asyncio.wait_for(waiting, 20)
    with pytest.raises(InDoubt, match="not connected"):
        await Requests(nc).ask("$JS.API.INFO", b"", timeout=60)
    await nc.close()


async def test_requests_to_a_hanging_server_end_in_time_however_many(own_nats: NatsServer) -> None:
    """The client's queue of flushes is bounded: what is full must not keep anybody."""
    nc = await connect_bus(line_settings(own_nats), name="test", publisher=True)
    requests = Requests(nc)
    await requests.ask("$JS.API.INFO", b"", timeout=5)
    with stopped(own_nats):
        large = [requests.ask("$JS.API.INFO", b"x" * (1 << 19), timeout=0.5) for _ in range(40)]
        small = [requests.ask("$JS.API.INFO", b"", timeout=0.5) for _ in range(3_000)]
        asked = asyncio.gather(*large, *small, return_exceptions=True)
        outcomes = await asyncio.wait_for(asked, 20)
    assert all(isinstance(outcome, InDoubt) for outcome in outcomes)
    await close_bus(nc)


async def test_hanging_server_delays_within_the_bound(own_nats: NatsServer) -> None:
    """What was sent before the caller gave up is in doubt; what waited behind it is never sent."""
    first, second = (uuid.uuid4().hex for _ in range(2))
    async with open_publisher(own_nats, timeout=0.5) as publisher:
        await publisher.publish(numbered(first, 0))
        with stopped(own_nats):
            outcomes = await asyncio.gather(
                *(publisher.publish(numbered(first, n)) for n in range(1, 10)), return_exceptions=True
            )
            assert all(isinstance(outcome, BusUnavailable) for outcome in outcomes), outcomes
        await wait_until(lambda: _try(publisher, numbered(second, 0)))
        nc = await connect_bus(line_settings(own_nats), name="look")
        kept = [number(message) for message in await stored_of(nc, first)]
        await nc.close()
    # One group was on its way, whole or not at all.
    assert kept in ([0], list(range(10)))


async def test_cancelled_caller_is_forgotten(own_nats: NatsServer) -> None:
    session = uuid.uuid4().hex
    async with open_publisher(own_nats, timeout=20) as publisher:
        await publisher.publish(numbered(session, 0))
        own_nats.kill()
        waiting = [asyncio.create_task(publisher.publish(numbered(session, n))) for n in range(1, 5)]
        kept = asyncio.create_task(publisher.publish(numbered(session, 5)))
        await asyncio.sleep(0.2)
        for task in waiting:
            task.cancel()
        own_nats.start()
        ack = await kept
        assert ack.position.sequence == 2
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)


async def _try(publisher: Publisher, wanted: Fact) -> Ack | None:
    try:
        return await publisher.publish(wanted)
    except BusUnavailable:
        return None
