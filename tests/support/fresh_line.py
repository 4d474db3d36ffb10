"""A line without any fact and an empty database on the run's servers, with a connection to each."""

from collections.abc import AsyncIterator

import pytest
from nats.aio.client import Client

from foldline.embedded.nats import NatsServer
from foldline.settings import Settings
from line.connection import close_bus, connect_bus
from line.jetstream import request_api
from runtime.database.connections import Connection, connect
from schemas.registry import DECLARED
from tests.support.settings import line_settings


async def empty_line(settings: Settings) -> None:
    """Delete every stream with all it holds and make it again."""
    nc = await connect_bus(settings, name="test-reset")
    for stream in DECLARED.streams:
        await request_api(nc, f"STREAM.DELETE.{stream.name}")
        declared = DECLARED.config(stream, partitions=settings.partitions, replicas=settings.stream_replicas)
        answer = await request_api(nc, f"STREAM.CREATE.{stream.name}", declared)
        assert "error" not in answer, answer
    await close_bus(nc)


@pytest.fixture(scope="module")
async def line_server(shared_nats: NatsServer) -> NatsServer:
    """The run's NATS server; its line has no fact when the first test of a module begins."""
    await empty_line(line_settings(shared_nats))
    return shared_nats


@pytest.fixture
async def settings(shared_nats: NatsServer, database: str) -> Settings:
    """Settings for a line without any fact and an empty database, on the run's servers."""
    made = line_settings(shared_nats, database)
    await empty_line(made)
    return made


@pytest.fixture
async def nc(settings: Settings) -> AsyncIterator[Client]:
    """A plain connection to the test's line."""
    client = await connect_bus(settings, name="test")
    yield client
    await close_bus(client)


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[Connection]:
    """A connection to the test's database."""
    async with await connect(settings, name="test") as connection:
        yield connection
