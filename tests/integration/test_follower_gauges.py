"""Lag as the API's /metrics shows it, and pauses and parked entities as /ready and `status` show them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
from fastapi import FastAPI
from nats.aio.client import Client
from prometheus_client import REGISTRY

from api.operations.follower_gauges import FollowerGauges
from api.reading.checks import parked_note, projection_check
from api.reading.reader import Reader
from consumers.control.pause import pause, resume
from foldline.settings import Settings
from line.progress import Progress
from line.status import read_status
from runtime.compat.fastapi_routes import add_routes
from runtime.database.connections import Connection, pool
from runtime.http.ready_route import ready_router
from runtime.readiness import READS, Need, Readiness
from tests.support.engine import engine
from tests.support.line import Line, Model
from tests.support.settings import PARTITIONS
from tests.support.waiting import wait_until


@asynccontextmanager
async def reading(settings: Settings, nc: Client) -> AsyncIterator[Reader]:
    async with pool(settings, name="test-lag") as conns:
        yield Reader(settings, conns, Progress(nc, conns))


def value(name: str, stream: str = "", follower: str = "sessions") -> float:
    labels = {"follower": follower} | ({"stream": stream} if stream else {})
    found = REGISTRY.get_sample_value(f"foldline_{name}", labels)
    assert found is not None, name
    return found


async def ready(reader: Reader) -> httpx.Response:
    app = FastAPI()
    readiness = Readiness(
        [
            Need("sessions", projection_check(reader, "sessions"), frozenset([READS])),
            Need("parked sessions", parked_note(reader, "sessions")),
        ]
    )

    add_routes(app, ready_router(readiness))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.get("/ready")


async def test_a_stopped_consumer_shows_and_one_that_catches_up(
    settings: Settings, nc: Client, db: Connection
) -> None:
    line, model = Line(nc), Model(db)
    async with reading(settings, nc) as reader:
        meter = FollowerGauges(reader, nc)
        async with engine(settings):
            await model.passed("S1", await line.created("S1"))
            await meter.measure()
            assert value("follower_lag_events", "SESSIONS") == 0
            assert value("follower_lag_seconds", "SESSIONS") == 0
            assert value("partitions_unheld") == 0
        before = datetime.now(UTC)
        for name in ("a", "b"):
            last = await line.put("event", "S1", {"name": name})
        await meter.measure()
        assert value("follower_lag_events", "SESSIONS") == 2
        assert value("follower_lag_seconds", "SESSIONS") > 0
        assert value("follower_lag_events", "HEARTBEATS") == 0
        assert value("follower_lag_events", "SESSIONS", "liveness") == 2
        other = {"follower": "jobs", "stream": "SESSIONS"}  # which that one does not read
        assert REGISTRY.get_sample_value("foldline_follower_lag_events", other) is None
        assert value("follower_lag_events", "JOBS", "jobs") == 0
        assert value("partitions_unheld") == PARTITIONS
        assert value("checkpoint_age_seconds", "SESSIONS") == 0  # seen for the first time
        await meter.measure()
        assert value("checkpoint_age_seconds", "SESSIONS") > 0
        assert value("checkpoint_age_seconds", "HEARTBEATS") == 0
        measured = REGISTRY.get_sample_value("foldline_lag_measured_timestamp")
        assert measured
        assert measured >= before.timestamp()
        async with engine(settings):
            await model.passed("S1", last)
            await meter.measure()
        assert value("follower_lag_events", "SESSIONS") == 0
        assert value("follower_lag_seconds", "SESSIONS") == 0
        assert value("checkpoint_age_seconds", "SESSIONS") == 0


async def test_pauses_and_parked_entities_are_told(settings: Settings, nc: Client, db: Connection) -> None:
    async with reading(settings, nc) as reader, engine(settings) as followers:
        await wait_until(lambda: len(followers[0].leases.held) == PARTITIONS)
        assert (await ready(reader)).json() == {
            "status": "ready",
            "reads": True,
            "checks": {"sessions": "ok"},
        }
        await db.execute("insert into sessions.parked values (0, 'local', 'S1', 'SESSIONS', 1, 'Boom')")
        noted = await ready(reader)
        assert noted.status_code == 200
        assert noted.json()["notes"] == {
            "parked sessions": "parked entities: 1; `foldline parked` lists them"
        }
        await pause(db, "sessions", "the disk is being changed")
        meter = FollowerGauges(reader, nc)
        await meter.measure()
        assert value("partitions_paused") == PARTITIONS
        assert value("parked_entities") == 1
        told = await ready(reader)
        assert told.status_code == 503
        assert told.json()["checks"]["sessions"].startswith(
            "0 of 16 partitions have a consumer; paused 0 1 2"
        )
        assert told.json()["checks"]["sessions"].endswith(": the disk is being changed")
        status = {one.name: one for one in (await read_status(nc, db)).followers}["sessions"]
        assert status.paused == {"the disk is being changed": list(range(PARTITIONS))}
        assert status.parked == 1
        await resume(db, "sessions")
        await wait_until(lambda: len(followers[0].leases.held) == PARTITIONS)
        await meter.measure()
        assert value("partitions_paused") == 0
