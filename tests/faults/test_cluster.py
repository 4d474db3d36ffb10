"""Three NATS servers: the leader of the line is killed under load, again and again, and nothing is lost."""

import asyncio
import logging

import pytest
from nats.aio.client import Client

from foldline.embedded.ports import pick_port
from foldline.embedded.postgres import PostgresServer
from foldline.settings import Settings
from line.connection import close_bus, connect_bus
from line.streams import prepare_line
from producers.publishing.publisher import Publisher
from tests.faults.judge import judge
from tests.faults.reading import Reads, reading
from tests.faults.workload import Record, publish_in_bulk, script
from tests.support.cluster import Cluster, copies_current
from tests.support.processes import Processes
from tests.support.settings import line_settings
from tests.support.waiting import wait_until

SEED = 7
_MOST = 3  # times as many facts are at hand as have to be published: how fast it goes depends on the machine

logger = logging.getLogger(__name__)


@pytest.mark.timeout(180)
async def test_the_leader_is_killed(
    cluster: Cluster, own_postgres: PostgresServer, processes: Processes
) -> None:
    await _leaders_killed(cluster, own_postgres, processes, events=3_000, sessions=30, kills=1)


@pytest.mark.faults
@pytest.mark.timeout(900)
async def test_the_same_five_times_with_60_000_events(
    cluster: Cluster, own_postgres: PostgresServer, processes: Processes
) -> None:
    await _leaders_killed(cluster, own_postgres, processes, events=60_000, sessions=300, kills=5)


async def _leaders_killed(
    cluster: Cluster,
    postgres: PostgresServer,
    processes: Processes,
    *,
    events: int,
    sessions: int,
    kills: int,
) -> None:
    api_port = pick_port("127.0.0.1")
    server = cluster.servers[0]
    settings = line_settings(server, postgres.dsn, api_port=api_port, **cluster.changes())
    nc = await connect_bus(settings, name="test")
    await prepare_line(nc, settings)
    children = [processes.consumer(settings) for _ in range(2)]
    for child in children:
        await asyncio.to_thread(child.wait_for, "follows the line")
    children.append(processes.api(settings))
    await asyncio.to_thread(children[-1].wait_for, "serving on")
    await wait_until(lambda: copies_current(nc), 60, what="three copies of every stream")

    record, reads, enough = Record(), Reads(), asyncio.Event()
    producing = asyncio.create_task(_produce(settings, record, _MOST * events, sessions, enough))
    async with reading(f"http://127.0.0.1:{api_port}/api/sessions/many-{SEED}-0", reads):
        for number in range(1, kills + 1):
            await _published(record, producing, events // (kills + 1))
            await _kill_leader(cluster, nc)
            logger.info("kill %d: %d acknowledged", number, len(record.acked))
        await _published(record, producing, events // (kills + 1))
        enough.set()
        await producing
    assert len(record.acked) >= events
    logger.info("acknowledged %d, tries again %d, %s", len(record.acked), record.retries, reads)
    assert reads.answered > 0
    assert reads.failed == []
    await close_bus(nc)
    await judge(settings, record)
    for child in children:
        assert child.stop() == 0


async def _published(record: Record, producing: asyncio.Task[None], more: int) -> None:
    events = len(record.acked) + more
    await wait_until(
        lambda: len(record.acked) >= events or producing.done(), 300, what=f"{events} acknowledged"
    )
    assert not producing.done(), "the load ended before the test"


async def _kill_leader(cluster: Cluster, nc: Client) -> None:
    """SIGKILL for who leads SESSIONS; another one leads; the killed one comes back and catches up."""
    killed = await wait_until(lambda: cluster.leader(nc, "SESSIONS"), 60, what="a leader")
    killed.kill()

    async def another() -> bool:
        return await cluster.leader(nc, "SESSIONS") not in (None, killed)

    await wait_until(another, 60, what="another leader")
    await asyncio.to_thread(killed.start)
    await wait_until(lambda: copies_current(nc), 60, what="the killed server caught up")


async def _produce(
    settings: Settings, record: Record, most: int, sessions: int, enough: asyncio.Event
) -> None:
    nc = await connect_bus(settings, name="test-producer", publisher=True)
    publisher = Publisher(nc, partitions=settings.partitions, timeout=3)
    await publish_in_bulk(publisher, script(sessions, most, SEED), record, lambda: 0.1, enough.is_set)
    await publisher.aclose()
    await close_bus(nc)
