"""Task reactors in a cluster: servers die, durables are deleted meanwhile, and every event is handled."""

import asyncio
from collections.abc import Callable

import nats.errors
import nats.js.errors
import pytest
from nats.aio.client import Client

from foldline.embedded.nats import NatsServer
from line.connection import close_bus, connect_bus
from line.jetstream import request_api
from line.raw_event import RawEvent
from runtime.database.connections import connect
from tests.support.cluster import SIZE, Cluster, copies_current
from tests.support.line import Line
from tests.support.reactors import running_reactors, status_of, toy_task
from tests.support.settings import line_settings
from tests.support.waiting import wait_until


async def consumer_of(nc: Client) -> dict[str, object]:
    answer = await request_api(nc, "CONSUMER.INFO.SESSIONS.toy", timeout=1)
    return dict(answer.get("cluster", {}))


async def leader_of(cluster: Cluster, nc: Client) -> NatsServer | None:
    name = (await consumer_of(nc)).get("leader")
    return next((server for server in cluster.servers if server.server_name == name), None)


@pytest.mark.timeout(180)
async def test_a_durable_is_deleted_while_its_leader_is_dead(
    cluster: Cluster, new_database: Callable[[], str]
) -> None:
    settings = line_settings(cluster.servers[0], new_database(), **cluster.changes())
    handled: set[int] = set()

    async def note(event: RawEvent) -> None:
        handled.add(event.sequence)

    async def delivered() -> bool:
        """Publish, however often it takes, and wait until that is handled."""
        sequence = await wait_until(lambda: _put(line), 30)
        await wait_until(lambda: sequence in handled, 60, what=f"{sequence} is handled")
        return True

    toy = toy_task(note)
    async with running_reactors(settings, toy), await connect(settings, name="test") as db:
        nc = await connect_bus(settings, name="test")
        line = Line(nc)
        await wait_until(lambda: copies_current(nc), 60, what="three copies of every stream")
        assert await delivered()
        leader = await wait_until(lambda: leader_of(cluster, nc), 30)
        leader.kill()

        async def deleted() -> bool:
            answer = await request_api(nc, "CONSUMER.DELETE.SESSIONS.toy", timeout=1)
            return bool(answer.get("success"))

        await wait_until(deleted, 30, what="its durable is deleted")
        assert await delivered()
        await asyncio.to_thread(leader.start)

        async def copied() -> bool:
            replicas = (await consumer_of(nc)).get("replicas")
            return isinstance(replicas, list) and len(replicas) == SIZE - 1

        await wait_until(copied, 60, what="the durable has a copy on every server")
        assert await delivered()

        async def well() -> bool:
            status = await status_of(nc, db, settings, toy)
            return (status.state, status.pending) == ("running", 0)

        await wait_until(well, 30)
        await close_bus(nc)


async def _put(line: Line) -> int:
    try:
        return await line.put("ended", "S1")
    except (nats.errors.Error, nats.js.errors.Error):  # during an election
        return 0
