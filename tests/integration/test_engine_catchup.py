"""Catch-up: from the checkpoint on, once each, whatever breaks meanwhile."""

from typing import Any

import pytest
from nats.aio.client import Client

from foldline.embedded.nats import NatsServer
from foldline.embedded.postgres import PostgresServer
from foldline.settings import Settings
from line.connection import connect_bus
from line.jetstream import request_api
from line.streams import prepare_line
from runtime import metrics
from runtime.database.connections import Connection, connect_with_retry
from tests.support.engine import engine, install_read_models
from tests.support.line import Line, Model
from tests.support.settings import line_settings

IDS = [f"S{n}" for n in range(8)]


def folded() -> float:
    return sum(
        sample.value
        for family in metrics.FOLDED.collect()
        for sample in family.samples
        if sample.name.endswith("_total") and sample.labels["follower"] == "sessions"
    )


async def fill(line: Line, rounds: int = 5, **body: Any) -> dict[str, int]:
    """Facts of all sessions; answers the last sequence of each."""
    last = {}
    for n in range(rounds):
        for session_id in IDS:
            last[session_id] = await line.put("event", session_id, {"name": "n", "data": {"n": n}} | body)
    return last


async def passed(model: Model, last: dict[str, int], timeout: float = 30) -> None:
    for session_id, sequence in last.items():
        await model.passed(session_id, sequence, timeout=timeout)


async def equal(line: Line, model: Model) -> None:
    reference = await line.reference()
    for session_id in IDS:
        await model.equals(reference, session_id)


async def test_goes_on_at_the_checkpoint(settings: Settings, nc: Client, db: Connection) -> None:
    line, model = Line(nc), Model(db)
    async with engine(settings):
        await passed(model, await fill(line))
    last = await fill(line)
    before = folded()
    async with engine(settings, owner="another"):
        await passed(model, last)
    assert folded() - before == 5 * len(IDS)
    await equal(line, model)


async def test_a_consumer_deleted_on_the_server_is_made_anew(
    settings: Settings, nc: Client, db: Connection
) -> None:
    line, model = Line(nc), Model(db)
    async with engine(settings):
        await passed(model, await fill(line))
        names = (await request_api(nc, "CONSUMER.NAMES.SESSIONS"))["consumers"]
        assert len(names) == 2  # the projector's and the reactor's, each for all partitions
        for name in names:
            await request_api(nc, f"CONSUMER.DELETE.SESSIONS.{name}")
        await passed(model, await fill(line))
        await equal(line, model)


async def test_a_small_buffer_holds_the_server_back(settings: Settings, nc: Client, db: Connection) -> None:
    """Bodies larger than the share of one partition, a buffer of a few events: slow, and nothing is lost."""
    line, model = Line(nc), Model(db)
    last = await fill(line, rounds=3, message="x" * 300_000)
    small = settings.model_copy(update={"buffer_events": 20, "buffer_bytes": 1 << 20, "batch_events": 7})
    async with engine(small) as followers:
        await passed(model, last)
        assert all(follower.failure is None for follower in followers)
    await equal(line, model)


@pytest.fixture
def own_settings(own_nats: NatsServer, own_postgres: PostgresServer) -> Settings:
    install_read_models(own_postgres.dsn)
    return line_settings(own_nats, own_postgres.dsn)


async def test_both_servers_may_crash(
    own_settings: Settings, own_nats: NatsServer, own_postgres: PostgresServer
) -> None:
    nc = await connect_bus(own_settings, name="test")
    await prepare_line(nc, own_settings)
    line = Line(nc)
    async with engine(own_settings):
        async with await connect_with_retry(own_settings, name="test") as db:
            await passed(Model(db), await fill(line))
        own_nats.kill()
        own_nats.start()
        await nc.close()
        nc = await connect_bus(own_settings, name="test")
        line = Line(nc)
        async with await connect_with_retry(own_settings, name="test") as db:
            await passed(Model(db), await fill(line))
        own_postgres.kill()
        last = await fill(line)
        own_postgres.start()
        async with await connect_with_retry(own_settings, name="test") as db:
            await passed(Model(db), last)
            await equal(line, Model(db))
    await nc.close()
