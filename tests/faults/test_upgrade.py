"""An upgrade under load: programs of two versions side by side on one line, the newer with one more fact."""

import asyncio
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from nats.aio.client import Client

from consumers.control.verify import verify
from foldline.embedded.nats import NatsServer
from foldline.embedded.postgres import PostgresServer
from line.connection import close_bus, connect_bus
from line.jetstream import stream_info
from line.streams import prepare_line
from producers.publishing.publisher import Publisher
from projections.catalogue import projection_named
from projections.generations import Role, generations
from projections.sessions.fold import VERSION
from runtime.database.connections import Connection, connect
from schemas.facts import MESSAGE_ID
from tests.faults.workload import Record, publish_in_bulk, script
from tests.reference.sessions import Reference
from tests.support.line import Line, Model
from tests.support.processes import API, CONSUMER, ROOT, Processes
from tests.support.recipes import ProgramCopy
from tests.support.settings import line_settings
from tests.support.settled import at_the_end
from tests.support.waiting import wait_until

REPLICAS = 3


def newer_program(folder: Path) -> Path:
    """Make a copy of our program with one more fact, by the recipe; returns what PYTHONPATH begins with."""
    folder.mkdir()
    ProgramCopy(folder).follow("Add a fact")
    return folder


async def archive(nc: Client, session_id: str, reason: str) -> int:
    """Publish the newer program's fact, as one of its producers would."""
    body = json.dumps({"reason": reason}).encode()
    headers = {MESSAGE_ID: f"{session_id}:{reason}"}
    subject = f"ev.local.session.{session_id}.archived"
    ack = await nc.jetstream(timeout=10).publish(subject, body, headers=headers)
    return ack.seq


async def version_of(db: Connection) -> int:
    return (await generations(db, "sessions"))[Role.LIVE].version


@pytest.mark.faults
@pytest.mark.timeout(600)
async def test_an_upgrade_with_one_more_fact_loses_nothing(
    own_nats: NatsServer, own_postgres: PostgresServer, processes: Processes, tmp_path: Path
) -> None:
    settings = line_settings(own_nats, own_postgres.dsn, api_port=0)
    path = os.pathsep.join([str(newer_program(tmp_path / "newer")), str(ROOT / "producers" / "client")])
    nc = await connect_bus(settings, name="test-upgrade", publisher=True)
    await prepare_line(nc, settings)
    older = [processes.consumer(settings) for _ in range(REPLICAS)]
    for consumer in older:
        await asyncio.to_thread(consumer.wait_for, "follows the line", 60)
    record, over = Record(), False
    publisher = Publisher(nc, partitions=settings.partitions, timeout=10)
    load = asyncio.create_task(
        publish_in_bulk(publisher, script(40, 200_000, seed=7), record, lambda: 0.02, lambda: over)
    )

    async def published(more: int) -> None:
        enough = len(record.acked) + more
        await wait_until(lambda: len(record.acked) >= enough or load.done(), 120, what=f"{more} more facts")
        assert not load.done(), load.result()

    async with await connect(settings, name="test-upgrade") as db:
        line, model = Line(nc), Model(db, timeout=86_400)
        await published(500)
        # Some part of the newer program starts first, and the streams grow.
        api = processes.start("api-newer", API, settings, PYTHONPATH=path)
        await asyncio.to_thread(api.wait_for, "stream SESSIONS grows: takes ev.*.session.*.archived", 60)
        assert "ev.*.session.*.archived" in (await stream_info(nc, "SESSIONS"))["config"]["subjects"]
        # The older consumers pass over what they do not know, and go on.
        for number in range(20):
            await line.created(f"archived-{number}")
            first = await archive(nc, f"archived-{number}", "first")
            await model.passed(f"archived-{number}", first, timeout=60)
            state = (await model.session(f"archived-{number}") or {})["state"]
            assert state == {"product": "P", "version": "1"}
        assert await version_of(db) == VERSION
        assert await model.rejected() == {}
        assert (await verify(projection_named("sessions"), settings, nc)).differences == []
        await published(500)
        # An older process that starts now takes the wider stream as it is.
        older[0].kill()
        older[0] = processes.consumer(settings)
        await asyncio.to_thread(older[0].wait_for, "follows the line", 60)
        # New ones start beside the old, and build their generation from the same line.
        newer = [
            processes.start(f"newer-{number}", CONSUMER, settings, PYTHONPATH=path)
            for number in range(REPLICAS)
        ]
        await published(500)
        await wait_until(lambda: _is_version(db, VERSION + 1), 180, what="the newer version is live")
        for number in range(20):
            await archive(nc, f"archived-{number}", f"second-{number}")
        await published(500)
        for consumer in older:
            assert await asyncio.to_thread(consumer.stop) == 0
            await published(200)
        over = True
        await load
        await publisher.aclose()
        await wait_until(lambda: at_the_end(nc, settings), 180, what="all folded")
        assert all(consumer.running for consumer in newer)
        await _judge(line, model, record)
        for number in range(20):
            found = await model.session(f"archived-{number}") or {}
            assert found["state"] == {"product": "P", "version": "1", "archived": f"second-{number}"}
            assert len(found["state_history"]) == 3
        verifying = processes.start("verify", ("verify", "sessions"), settings, PYTHONPATH=path)
        assert await asyncio.to_thread(verifying.wait, 120) == 0
        for process in (*newer, api):
            assert await asyncio.to_thread(process.stop) == 0
    await close_bus(nc)


async def _is_version(db: Connection, version: int) -> bool:
    return await version_of(db) == version


async def _judge(line: Line, model: Model, record: Record) -> None:
    """Compare with what was acknowledged, and with the reference: of it, the newer fact is no part."""
    facts, beats = await line.stored(), await line.stored("HEARTBEATS")
    stored = Counter(fact.headers.get(MESSAGE_ID, "") for fact in facts)
    missing = [
        message_id
        for message_id, (subject, _) in record.acked.items()
        if not subject.endswith(".heartbeat") and stored[message_id] != 1
    ]
    assert missing == []
    assert await model.rejected() == {}
    reference = Reference([*(fact for fact in facts if fact.fact != "archived"), *beats])
    loaded = {subject.split(".")[3] for subject, _ in record.acked.values()}
    assert len(loaded) == 40
    for session_id in loaded:
        await model.equals(reference, session_id)
