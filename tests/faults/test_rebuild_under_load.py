"""Rebuilds under live load, with readers that read their own writes: nobody notices but the operator."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from nats.aio.client import Client

from consumers.control.rebuild import rebuild
from consumers.control.verify import verify
from foldline.embedded.nats import NatsServer
from foldline.embedded.ports import pick_port
from foldline.embedded.postgres import PostgresServer
from foldline.settings import Settings
from line.connection import close_bus, connect_bus
from line.lag import LagProbe, summed
from line.streams import prepare_line
from producers.admission import admit_fact
from producers.publishing.publisher import Publisher
from projections.catalogue import projection_named
from projections.generations import Role, generations
from runtime.database.connections import Connection, connect
from schemas.positions import parse_positions
from schemas.subjects import Subject
from tests.support.http import http_client
from tests.support.processes import ROOT, Processes, environment
from tests.support.settings import line_settings
from tests.support.waiting import wait_until

logger = logging.getLogger(__name__)

SESSIONS = projection_named("sessions")
_READ_EVERY = 0.05  # seconds from one read of a reader to its next: the machine is not theirs alone
STALE = "of a generation that is not live any more"


async def test_rebuilds_under_load(
    own_nats: NatsServer, own_postgres: PostgresServer, processes: Processes
) -> None:
    await _rebuilds(own_nats, own_postgres, processes, stored=5_000, rate=200, rebuilds=2, readers=3)


@pytest.mark.faults
@pytest.mark.timeout(3_000)
async def test_the_same_with_a_million_events(
    own_nats: NatsServer, own_postgres: PostgresServer, processes: Processes
) -> None:
    await _rebuilds(own_nats, own_postgres, processes, stored=1_000_000, rate=5_000, rebuilds=3, readers=8)


async def _rebuilds(
    nats: NatsServer,
    postgres: PostgresServer,
    processes: Processes,
    *,
    stored: int,
    rate: int,
    rebuilds: int,
    readers: int,
) -> None:
    settings = line_settings(
        nats, postgres.dsn, api_port=pick_port("127.0.0.1"), lease_ttl=5.0, rebuild_workers=2
    )
    nc = await connect_bus(settings, name="test")
    await prepare_line(nc, settings)
    consumer = processes.consumer(settings)
    consumer.wait_for("follows the line")
    api = processes.api(settings)
    api.wait_for("serving on")
    filled = await _filled(settings, stored)
    async with await connect(settings, name="test") as db:
        await _at_head(nc, db)
        async with _steady(settings, rate) as steady, _reading(settings, readers) as reading:
            for number in range(rebuilds):
                done = await rebuild(SESSIONS, settings, nc)
                live = (await generations(db, "sessions"))[Role.LIVE]
                assert live.number == number + 2
                # Whoever still read the generation before would be seen to.
                await db.execute("update sessions_old.session set hostname = %s", (STALE,))
                logger.info("rebuild %d: %s events in %.1f s", number + 1, done.total, done.elapsed)
                seen = reading.reads
                await wait_until(
                    lambda seen=seen: reading.reads > seen + 50 * readers or reading.failed(), 300
                )
        load = steady.result()
        logger.info("%s", {"filled": filled, "live": load, "reads": reading.reads, **reading.slowest()})
        assert not reading.errors
        await _at_head(nc, db)
        found = await verify(SESSIONS, settings, nc)
        assert found.differences == []
        # Every acknowledged event, once: no id was used twice, so the timelines hold as many.
        row = await (
            await db.execute(
                "select (select count(*) from sessions.event) + (select count(*) from sessions.metric)"
                " + (select count(*) from sessions.patch)"
            )
        ).fetchone()
        assert row == (filled["acknowledged"] + load["acknowledged"] + reading.written,)
    await close_bus(nc)
    assert consumer.running
    assert api.running


async def _at_head(nc: Client, db: Connection) -> None:
    """Until the consumer has folded everything there is."""

    async def nothing_left() -> bool:
        cursor = await db.execute("select part, seqs from foldline.lease where follower = 'sessions'")
        behind = {part: seqs.get("SESSIONS", 0) for part, seqs in await cursor.fetchall()}
        return summed((await LagProbe(nc).lags("SESSIONS", behind)).values()).events == 0

    await wait_until(nothing_left, 600)


async def _filled(settings: Settings, count: int) -> dict[str, Any]:
    arguments = ["--name", "stored", "--sessions", str(max(50, count // 100)), "--count", str(count)]
    process = await _steady_process(settings, *arguments)
    output, _ = await process.communicate()
    return dict(json.loads(output))


async def _steady_process(settings: Settings, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.steady_load",
        *arguments,
        env=environment(settings),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


class Steady:
    """The load beside, and what it says at its end."""

    def __init__(self) -> None:
        self.output = b""

    def result(self) -> dict[str, Any]:
        return dict(json.loads(self.output))


@asynccontextmanager
async def _steady(settings: Settings, rate: int) -> AsyncIterator[Steady]:
    process = await _steady_process(settings, "--name", "live", "--sessions", "2000", "--rate", str(rate))
    steady = Steady()
    try:
        yield steady
        steady.output, _ = await process.communicate(b"")  # closes its input
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@dataclass
class Reading:
    """What the readers did and saw."""

    reads: int = 0
    written: int = 0
    errors: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def failed(self) -> bool:
        return bool(self.errors)

    def slowest(self) -> dict[str, float]:
        ordered = sorted(self.seconds)
        return {"p50_ms": 1e3 * ordered[len(ordered) // 2], "max_ms": 1e3 * ordered[-1]}


@asynccontextmanager
async def _reading(settings: Settings, readers: int) -> AsyncIterator[Reading]:
    """Readers that each write to sessions of their own and read them back at the position of the write."""
    nc = await connect_bus(settings, name="test-readers", publisher=True)
    publisher = Publisher(nc, partitions=settings.partitions, timeout=10)
    reading = Reading()
    stopping = asyncio.Event()
    url = f"http://127.0.0.1:{settings.api_port}/api/sessions"
    async with http_client(timeout=60) as http:
        tasks = [
            asyncio.create_task(_read(reading, stopping, publisher, http, f"{url}/reader-{number}"))
            for number in range(readers)
        ]
        try:
            yield reading
        finally:
            stopping.set()
            await asyncio.gather(*tasks)
            await publisher.aclose()
            await close_bus(nc)


async def _read(
    reading: Reading, stopping: asyncio.Event, publisher: Publisher, http: httpx.AsyncClient, url: str
) -> None:
    """One session after the other, each of 200 events."""
    loop = asyncio.get_running_loop()
    turn = 0
    while not stopping.is_set():
        name, turn = f"{url}-{turn}", turn + 1
        session = name.rpartition("/")[2]
        newest, began = "", 0.0
        for number in range(200):
            if stopping.is_set():
                return
            subject = Subject("local", "session", session, "event")
            body = json.dumps({"name": f"n{number}"}).encode()
            ack = await publisher.publish(admit_fact(subject, body, now=datetime.now(UTC)))
            reading.written += 1
            await asyncio.sleep(max(0.0, began + _READ_EVERY - loop.time()))
            began = loop.time()
            headers = {"Foldline-Min-Position": str(ack.position), "Foldline-Wait": "30000"}
            answer = await http.get(name, headers=headers)
            reading.seconds.append(loop.time() - began)
            reading.reads += 1
            problem = _problem(answer, number, newest)
            if problem:
                reading.errors.append(f"{session} {number}: {problem}")
                return
            newest = answer.headers["Foldline-Position"]


def _problem(answer: httpx.Response, number: int, newest: str) -> str | None:
    if answer.status_code != 200:
        return f"{answer.status_code} {answer.text}"
    session = answer.json()
    names = [event["name"] for event in session["events"]]
    if names != [f"n{n}" for n in range(number + 1)]:
        return f"a gap, or a step back: {names[-3:]}"
    if session["hostname"] is not None:
        return session["hostname"]
    if newest and _sequence(answer.headers["Foldline-Position"]) < _sequence(newest):
        return "the position went back"
    return None


def _sequence(positions: str) -> int:
    return max(one.sequence for one in parse_positions(positions) if one.stream == "SESSIONS")
