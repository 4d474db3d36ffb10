"""The engine inside a test's process: read models installed, facts handed over, followers running."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from nats.aio.client import Client

from consumers.engine.follower import Follower
from consumers.engine.handler import Handler
from consumers.engine.projector import Projector
from consumers.reactors.liveness import Liveness
from line.connection import connect_bus
from line.progress import Progress
from line.streams import prepare_line
from producers.publishing.publisher import Publisher
from projections.catalogue import PROJECTIONS
from projections.generations import add_leases
from projections.install import install
from runtime.database.connections import connect_with_retry, pool
from runtime.database.engine.install import install_engine
from runtime.settings import Settings


def install_read_models(dsn: str) -> None:
    """Install all read models, as every consumer does at its start."""
    asyncio.run(_install(Settings(_env_file=None, database_url=dsn, connect_timeout=30)))


async def _install(settings: Settings) -> None:
    async with await connect_with_retry(settings, name="test-install") as conn:
        await install_engine(conn)
        for projection in PROJECTIONS:
            await install(conn, projection, settings.partitions)
        await add_leases(conn, Liveness.name, settings.partitions, streams=Liveness.streams)


@asynccontextmanager
async def following(
    nc: Client, settings: Settings, *handlers: Handler, owner: str = "test"
) -> AsyncIterator[list[Follower]]:
    """Run followers until the block is left."""
    followers = [Follower(handler, nc, settings, owner) for handler in handlers]
    running = [asyncio.create_task(follower.run()) for follower in followers]
    try:
        yield followers
    finally:
        for follower in followers:
            follower.stop()
        await asyncio.gather(*running)


@asynccontextmanager
async def engine(settings: Settings, *, owner: str = "test") -> AsyncIterator[list[Follower]]:
    """Run what a consumer process runs but for task reactors: the projectors and the liveness reactor."""
    async with AsyncExitStack() as stack:
        reading = await connect_bus(settings, name="test-engine")
        stack.push_async_callback(reading.close)
        publishing = await connect_bus(settings, name="test-engine-publisher", publisher=True)
        stack.push_async_callback(publishing.close)
        await prepare_line(reading, settings)
        readers = await stack.enter_async_context(pool(settings, name="test-engine"))
        progress = Progress(reading, readers)
        await progress.start()
        publisher = Publisher(publishing, partitions=settings.partitions)
        stack.push_async_callback(publisher.aclose)
        liveness = Liveness(
            reading,
            publisher,
            progress,
            partitions=settings.partitions,
            timeout=settings.heartbeat_timeout,
        )
        projectors = [Projector(projection) for projection in PROJECTIONS]
        yield await stack.enter_async_context(
            following(reading, settings, *projectors, liveness, owner=owner)
        )


@pytest.fixture
async def running_engine(settings: Settings) -> AsyncIterator[None]:
    """The engine runs on the test's line from before its first step to its end."""
    async with engine(settings):
        yield
