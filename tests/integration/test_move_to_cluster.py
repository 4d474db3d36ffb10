"""From one NATS server to three, by the commands of docs/operations.md as they are: nothing is lost."""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import nats.errors
import pytest
from nats.js.errors import NoStreamResponseError

from foldline.embedded.nats import NatsServer
from foldline.settings import Settings
from line.connection import close_bus, connect_bus
from line.jetstream import stream_info
from line.problems import LineProblem
from line.streams import prepare_line
from projections.catalogue import PROJECTIONS
from runtime.database.connections import connect
from schemas.facts import MESSAGE_ID
from schemas.registry import DECLARED
from tests.acceptance.readme import examples
from tests.support.cluster import SIZE, Cluster, copies_current
from tests.support.jobs import job_event
from tests.support.line import Line, Model
from tests.support.processes import Processes, environment
from tests.support.settings import line_settings
from tests.support.settled import at_the_end
from tests.support.waiting import wait_until

SESSIONS = 7
EVENTS = 20  # of each session, before the move and after it
JOBS = 30  # before the move and after it
BUCKET = "of_somebody_else"
_TELL = "import json, os; print(json.dumps({**os.environ}))"


class Shell:
    """One shell in which the blocks of the page are run: what a block exports is there for the next one."""

    def __init__(self, settings: Settings, addresses: dict[str, str], folder: Path) -> None:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = environment(settings) | {"PATH": path, "COLUMNS": "200"}
        self._addresses = addresses
        self._folder = folder

    def run(self, block: str) -> str:
        """Run one block with the page's addresses replaced by those of the test; answers what it printed."""
        for theirs, ours in self._addresses.items():
            block = block.replace(theirs, ours)
        done = subprocess.run(
            ["sh", "-ec", f"{block}\n{sys.executable} -c '{_TELL}' >environment"],
            env=self.environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (block, done.stdout, done.stderr)
        self.environment = json.loads((self._folder / "environment").read_text())
        return done.stdout

    def exported(self) -> dict[str, str]:
        """The settings of Foldline in this shell."""
        return {name: value for name, value in self.environment.items() if name.startswith("FOLDLINE_")}


@pytest.mark.timeout(180)
async def test_a_line_moves_into_a_cluster(
    own_nats: NatsServer, cluster: Cluster, database: str, processes: Processes, tmp_path: Path
) -> None:
    back_up, settings_of_all, restore, accept, verify = examples("docs/operations.md", "Move to a cluster")
    addresses = {"nats://OLD:4222": own_nats.url}
    for number, server in enumerate(cluster.servers, 1):
        addresses[f"nats://NEW{number}:4222"] = server.url
        addresses[f"http://NEW{number}:8222"] = server.monitor_url
    alone = line_settings(own_nats, database)
    shell = Shell(alone, addresses, tmp_path)
    await _folded(alone, processes, "before")
    nc = await connect_bus(alone, name="test")
    bucket = await nc.jetstream().create_key_value(bucket=BUCKET)
    await bucket.put("k", b"kept")
    await close_bus(nc)

    listed = shell.run(back_up.text)
    own_nats.stop()
    shell.run(settings_of_all.text)
    restored = shell.run(restore.text)
    names = [stream.name for stream in DECLARED.streams] + [f"KV_{BUCKET}"]
    for name in names:
        (row,) = [line for line in listed.splitlines() if f" {name} " in line]
        assert row in restored.splitlines()
    assert "the line is accepted" in shell.run(accept.text)

    together = line_settings(own_nats, database, **cluster.changes())
    settings = {name: value for name, value in environment(together).items() if name.startswith("FOLDLINE_")}
    assert shell.exported() == settings
    await _folded(together, processes, "after")
    verified = shell.run(verify.text).splitlines()
    assert [line.split(";")[0] for line in verified] == [f"{one.name}: equal" for one in PROJECTIONS]

    nc = await connect_bus(together, name="test")
    await wait_until(lambda: copies_current(nc), 60, what="three copies of every stream")
    assert [(await stream_info(nc, name))["config"]["num_replicas"] for name in names] == [SIZE] * len(names)
    found = await (await nc.jetstream().key_value(BUCKET)).get("k")
    assert found.value == b"kept"
    line = Line(nc)
    reference = await line.reference()
    async with await connect(together, name="test") as db:
        model = Model(db, timeout=86_400)
        for number in range(SESSIONS):
            events = await model.events(f"S{number}")
            assert events == [f"{when} {n}" for when in ("before", "after") for n in range(EVENTS)]
            await model.equals(reference, f"S{number}")
        cursor = await db.execute("select id from jobs.entity order by id")
        jobs = [row[0] for row in await cursor.fetchall()]
    assert jobs == sorted(f"{when}-{n}" for when in ("before", "after") for n in range(JOBS))
    await close_bus(nc)


async def _folded(settings: Settings, processes: Processes, when: str) -> None:
    """A consumer follows the line, events are published and folded, the consumer ends."""
    consumer = processes.consumer(settings)
    await asyncio.to_thread(consumer.wait_for, "follows the line")
    nc = await connect_bus(settings, name="test")
    line = Line(nc)
    for number in range(EVENTS * SESSIONS):
        session, name = f"S{number % SESSIONS}", f"{when} {number // SESSIONS}"
        await _put_for_certain(line, f"ev.local.session.{session}.event", {"name": name}, f"{session} {name}")
    for number in range(SESSIONS):
        await _put_for_certain(line, f"ev.local.session.S{number}.heartbeat", {}, f"S{number} {when}")
    for number in range(JOBS):
        job = f"{when}-{number}"
        await _put_for_certain(line, f"ev.fab1.job.{job}.started", job_event(job), job)
    await wait_until(lambda: at_the_end(nc, settings), 60, what="all folded")
    await close_bus(nc)
    assert await asyncio.to_thread(consumer.stop) == 0


async def _put_for_certain(line: Line, subject: str, body: object, message_id: str) -> None:
    """A cluster that elects another leader leaves what was on its way unanswered: asked again, by its id."""

    async def put() -> int:
        with suppress(nats.errors.TimeoutError, NoStreamResponseError):
            ack = await line.js.publish(subject, json.dumps(body).encode(), headers={MESSAGE_ID: message_id})
            return ack.seq
        return 0

    await wait_until(put, 60, what=f"{subject} {message_id} is acknowledged")


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
