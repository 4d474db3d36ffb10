"""From one NATS server to three, as docs/operations.md describes it: nothing is lost."""

import asyncio
from contextlib import suppress

import nats.errors
import pytest
from nats.js.errors import NoStreamResponseError

from consumers.control.accept_line import accept
from consumers.control.verify import verify
from foldline.embedded.nats import NatsServer
from line.connection import close_bus, connect_bus
from line.problems import LineProblem
from line.streams import prepare_line
from projections.catalogue import PROJECTIONS, projection_named
from runtime.database.connections import connect
from runtime.settings import Settings
from schemas.facts import MESSAGE_ID
from schemas.streams import STREAMS
from tests.conftest import line_settings
from tests.support.backup import backup, restore
from tests.support.cluster import Cluster, copies_current
from tests.support.line import Line, Model
from tests.support.processes import Processes
from tests.support.settled import at_the_end
from tests.support.waiting import wait_until

SESSIONS = 7
EVENTS = 20  # of each session, before the move and after it


@pytest.mark.timeout(180)
async def test_a_line_moves_into_a_cluster(
    own_nats: NatsServer, cluster: Cluster, database: str, processes: Processes
) -> None:
    alone = line_settings(own_nats, database)
    await _folded(alone, processes, "before")
    nc = await connect_bus(alone, name="test")
    saved = [await backup(nc, stream.name) for stream in STREAMS]
    await close_bus(nc)
    own_nats.stop()

    together = line_settings(own_nats, database, **cluster.changes())
    nc = await connect_bus(together, name="test")
    for one in saved:
        await restore(nc, one)
    await accept(PROJECTIONS, together, nc)
    await _folded(together, processes, "after")
    await wait_until(lambda: copies_current(nc), 60, what="three copies of every stream")
    line = Line(nc)
    reference = await line.reference()
    async with await connect(together, name="test") as db:
        model = Model(db, timeout=86_400)
        for number in range(SESSIONS):
            names = await model.events(f"S{number}")
            assert names == [f"{when} {n}" for when in ("before", "after") for n in range(EVENTS)]
            await model.equals(reference, f"S{number}")
    assert (await verify(projection_named("sessions"), together, nc)).differences == []
    await close_bus(nc)


async def _folded(settings: Settings, processes: Processes, when: str) -> None:
    """A consumer follows the line, events are published and folded, the consumer ends."""
    consumer = processes.consumer(settings)
    await asyncio.to_thread(consumer.wait_for, "follows the line")
    nc = await connect_bus(settings, name="test")
    line = Line(nc)
    for number in range(EVENTS * SESSIONS):
        await _put_for_certain(line, f"S{number % SESSIONS}", f"{when} {number // SESSIONS}")
    await wait_until(lambda: at_the_end(nc, settings), 60, what="all folded")
    await close_bus(nc)
    assert await asyncio.to_thread(consumer.stop) == 0


async def _put_for_certain(line: Line, session_id: str, name: str) -> None:
    """A cluster that elects another leader leaves what was on its way unanswered: asked again, by its id."""

    async def put() -> int:
        with suppress(nats.errors.TimeoutError, NoStreamResponseError):
            headers = {MESSAGE_ID: f"{session_id} {name}"}
            return await line.put("event", session_id, {"name": name}, headers=headers)
        return 0

    await wait_until(put, 60, what=f"{name} of {session_id} is acknowledged")


async def test_fewer_copies_than_there_are_is_refused(cluster: Cluster, database: str) -> None:
    together = line_settings(cluster.servers[0], database, **cluster.changes())
    nc = await connect_bus(together, name="test")
    await prepare_line(nc, together)
    with pytest.raises(LineProblem, match="num_replicas is 3, declared 1"):
        await prepare_line(nc, together.model_copy(update={"stream_replicas": 1}))
    await close_bus(nc)


async def test_copies_without_a_cluster_are_refused(own_nats: NatsServer, database: str) -> None:
    alone = line_settings(own_nats, database, connect_timeout=2.0)
    nc = await connect_bus(alone, name="test")
    await prepare_line(nc, alone)
    for copies in (2, 3):
        wanted = alone.model_copy(update={"stream_replicas": copies, "allow_unsynced": True})
        with pytest.raises(LineProblem, match="FOLDLINE_STREAM_REPLICAS needs a NATS cluster"):
            await prepare_line(nc, wanted)
    await close_bus(nc)
