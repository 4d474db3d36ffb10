"""The carrier: what the bus cannot take holds nobody up, and the spool gets empty under any load."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from foldline.settings import Settings
from line.connection import close_bus, connect_bus
from producers.admission import admit_fact
from producers.job_admission import admit_job_event
from producers.publishing.publisher import Ack, Publisher, PublishError
from producers.sidecar.carrier import Carrier
from producers.sidecar.spool import Spool
from runtime.compat.nats_client import BusClient
from schemas.facts import Fact
from schemas.subjects import Subject
from tests.support.jobs import job_event
from tests.support.line import Line
from tests.support.waiting import wait_until


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[BusClient]:
    nc = await connect_bus(settings, name="test", publisher=True)
    yield nc
    await close_bus(nc)


@pytest.fixture
async def sender(bus: BusClient, settings: Settings) -> AsyncIterator[Publisher]:
    publisher = Publisher(bus, partitions=settings.partitions)
    yield publisher
    await publisher.aclose()


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    spool = Spool(tmp_path, max_facts=10_000, max_bytes=1 << 24)
    await spool.open()
    yield spool
    await spool.close()


def fact(number: int) -> Fact:
    subject = Subject("local", "session", f"S{number % 3}", "event")
    return admit_fact(subject, b'{"name":"e%d"}' % number, key=f"k{number}", now=datetime.now(UTC))


async def test_what_the_bus_cannot_take_is_set_aside(bus: BusClient, sender: Publisher, spool: Spool) -> None:
    carrier = Carrier(spool, lambda: sender)
    broken = fact(4)._replace(headers={"Broken": "a\nline"})
    facts = [fact(number) if number != 4 else broken for number in range(9)]
    async with carrier.run():
        assert await carrier.accept(facts) == ["spooled"] * 9
        await wait_until(lambda: not spool.depth.facts)
        assert await carrier.accept([fact(9)]) == ["forwarded"]
    assert spool.depth.poison == 1
    stored = [one.body for one in await Line(bus).stored()]
    assert sorted(stored) == [fact(number).body for number in range(10) if number != 4]


async def test_a_failure_nobody_thought_of_ends_nothing(
    bus: BusClient, settings: Settings, spool: Spool
) -> None:
    class Failing(Publisher):
        async def publish_many(
            self, facts: Sequence[Fact], *, timeout: float | None = None
        ) -> list[Ack | PublishError]:
            if fails:
                raise RuntimeError(fails.pop())
            return await super().publish_many(facts, timeout=timeout)

    publisher = Failing(bus, partitions=settings.partitions)
    fails = ["when it is drained", "when it is sent"]
    carrier = Carrier(spool, lambda: publisher)
    async with carrier.run(), asyncio.timeout(20):
        assert await carrier.accept([fact(0)]) == ["spooled"]
        await wait_until(lambda: not spool.depth.facts)
        assert await carrier.accept([fact(1)]) == ["forwarded"]
    assert [one.body for one in await Line(bus).stored()] == [fact(0).body, fact(1).body]
    await publisher.aclose()


async def test_the_spool_gets_empty_while_clients_never_rest(
    bus: BusClient, sender: Publisher, spool: Spool
) -> None:
    lines: list[Publisher] = []
    carrier = Carrier(spool, lambda: lines[0] if lines else None)
    sent: list[list[int]] = [[] for _ in range(20)]

    async def report(client: int) -> None:
        numbers = itertools.count(client, len(sent))
        while True:
            number = next(numbers)
            sent[client].append(number)
            subject = Subject("local", "session", f"S{client}", "event")
            mine = fact(number)._replace(subject=subject, message_id=f"local:session:S{client}:{number}")
            if lines and await carrier.accept([mine]) == ["forwarded"]:
                return
            if not lines:
                assert await carrier.accept([mine]) == ["spooled"]

    async with carrier.run():
        reporting = [asyncio.create_task(report(client)) for client in range(len(sent))]
        await wait_until(lambda: spool.depth.facts > 1_500)
        lines.append(sender)
        await asyncio.wait_for(asyncio.gather(*reporting), 30)
    stored = [(one.session_id, one.body) for one in await Line(bus).stored()]
    for client, numbers in enumerate(sent):
        bodies = [fact(number).body for number in numbers]
        assert [body for session, body in stored if session == f"S{client}"] == bodies


async def test_alone_and_in_groups_they_keep_their_order(
    bus: BusClient, sender: Publisher, spool: Spool
) -> None:
    """The first finds nothing under way and goes by itself, those that come meanwhile as a group."""
    carrier = Carrier(spool, lambda: sender)
    facts = [fact(3 * number) for number in range(60)]  # all of one session
    async with carrier.run():
        accepting: list[asyncio.Task[Sequence[str]]] = []
        for place, one in enumerate(facts):
            accepting.append(asyncio.create_task(carrier.accept([one])))
            if place % 20 == 10:
                await asyncio.wait(accepting)
        assert await asyncio.gather(*accepting) == [["forwarded"]] * len(facts)
    assert [one.body for one in await Line(bus).stored()] == [one.body for one in facts]


async def test_a_caller_that_leaves_changes_nothing(spool: Spool) -> None:
    """However far its facts had come: they are kept, and what the spool says of itself stays true."""
    carrier = Carrier(spool, lambda: None)
    async with carrier.run():
        for turns in range(8):
            leaving = asyncio.create_task(carrier.accept([fact(2 * turns)]))
            for _ in range(turns):
                await asyncio.sleep(0)
            leaving.cancel()
            assert await carrier.accept([fact(2 * turns + 1)]) == ["spooled"]
            await asyncio.wait([leaving])
    kept = [one.fact.message_id for one in await spool.first(100, 1 << 20)]
    assert len(kept) == spool.depth.facts
    # One that left before it was heard of is not there; those that are, are in their order.
    expected = [fact(number).message_id for number in range(16)]
    assert kept in (expected, expected[1:])


async def test_facts_that_waited_under_one_key_are_all_stored(
    bus: BusClient, sender: Publisher, spool: Spool
) -> None:
    """JetStream would drop the second one: the fold has to see it, to reject it where it can be found."""
    bodies = [
        json.dumps(job_event("J1", kind, key="run", site=None)).encode() for kind in ("started", "finished")
    ]
    facts = [
        admit_job_event(body, site="local", now=datetime.now(UTC), max_skew=timedelta(days=9_999))
        for body in [*bodies, *bodies]
    ]
    publishers: list[Publisher] = []
    carrier = Carrier(spool, lambda: publishers[0] if publishers else None)
    async with carrier.run():
        assert await carrier.accept(facts) == ["spooled"] * 4
        publishers.append(sender)
        await wait_until(lambda: not spool.depth.facts)
    assert spool.depth.poison == 0
    stored = await Line(bus).stored("JOBS")
    assert [one.body for one in stored] == bodies
    assert stored[0].headers["Nats-Msg-Id"] == "local:job:J1:run"
    assert stored[1].headers["Nats-Msg-Id"].startswith("local:job:J1:run:")
