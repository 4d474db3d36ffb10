"""Servers and consumers die under load: everything acknowledged is there once, and equals the reference."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from foldline.embedded.nats import NatsServer
from foldline.embedded.postgres import PostgresServer
from foldline.settings import Settings
from line.connection import connect_bus
from line.streams import prepare_line
from producers.publishing.publisher import Publisher
from runtime.database.connections import connect
from tests.faults.judge import holders, judge
from tests.faults.workload import Record, publish_in_bulk, publish_plainly, script
from tests.support.processes import Processes
from tests.support.settings import line_settings
from tests.support.waiting import wait_until

PRODUCERS = 3
PLAIN_SESSIONS = 6


async def test_everything_acknowledged_is_there_once_after_crashes(
    own_nats: NatsServer, own_postgres: PostgresServer, processes: Processes
) -> None:
    await _crashes_under_load(own_nats, own_postgres, processes, events=6_000, sessions=60)


@pytest.mark.faults
@pytest.mark.timeout(900)
async def test_the_same_with_100_000_events(
    own_nats: NatsServer, own_postgres: PostgresServer, processes: Processes
) -> None:
    await _crashes_under_load(own_nats, own_postgres, processes, events=100_000, sessions=500)


async def _crashes_under_load(
    nats: NatsServer, postgres: PostgresServer, processes: Processes, *, events: int, sessions: int
) -> None:
    settings = line_settings(nats, postgres.dsn)
    consumers = [processes.consumer(settings) for _ in range(3)]
    for consumer in consumers:
        consumer.wait_for("follows the line")
    record = Record()
    producing = asyncio.create_task(_produce(settings, record, events=events, sessions=sessions))

    async def published(share: float) -> None:
        await wait_until(
            lambda: len(record.acked) >= share * events or producing.done(), 300, what=f"{share} published"
        )
        assert not producing.done(), "all was published before anything was killed"

    await published(0.2)
    await _while_behind(settings, _sync(consumers[0].kill))
    consumers.append(processes.consumer(settings))
    await published(0.4)
    await _while_behind(settings, _sync(nats.kill))
    await asyncio.to_thread(nats.start)
    await published(0.65)
    await _while_behind(settings, _sync(postgres.kill))
    await asyncio.to_thread(postgres.start)
    await producing

    await judge(settings, record)
    assert len(await holders(settings)) >= 2
    assert all(consumer.running for consumer in consumers[1:])
    for consumer in consumers[1:]:
        assert consumer.stop() == 0


async def _produce(settings: Settings, record: Record, *, events: int, sessions: int) -> None:
    """Three publishers of ours with many sessions each, and a few plain clients, all at once."""
    nc = await connect_bus(settings, name="test-producer", publisher=True)
    plain = await connect_bus(settings, name="test-plain")
    await prepare_line(nc, settings)
    publisher = Publisher(nc, partitions=settings.partitions, timeout=3)
    each = events // sessions
    ours = sessions - PLAIN_SESSIONS
    share = ours // PRODUCERS
    parts = [script(size := share if n else ours - 2 * share, each * size, n + 1) for n in range(PRODUCERS)]
    plainly = script(PLAIN_SESSIONS, each * PLAIN_SESSIONS, 99)
    js = plain.jetstream()
    async with asyncio.TaskGroup() as tasks:
        for part in parts:
            tasks.create_task(publish_in_bulk(publisher, part, record, lambda: 0.02))
        for session, todo in plainly.items():
            tasks.create_task(publish_plainly(js, session, todo, record, lambda: 0.001))
    await publisher.aclose()
    await nc.close()
    await plain.close()


def _sync(act: Callable[[], Any]) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        act()

    return run


async def _while_behind(settings: Settings, act: Callable[[], Awaitable[None]]) -> None:
    """Do something at a moment when facts are stored that no consumer has folded."""
    nc = await connect_bus(settings, name="test-lag")
    js = nc.jetstream()
    async with await connect(settings, name="test-lag") as db:

        async def behind() -> bool:
            cursor = await db.execute(
                "select max((seqs->>'SESSIONS')::bigint) from foldline.lease where follower = 'sessions'"
            )
            row = await cursor.fetchone()
            return (await js.stream_info("SESSIONS")).state.last_seq > ((row and row[0]) or 0)

        await wait_until(behind, 60, what="lag above zero")
        await act()
    await nc.close()
