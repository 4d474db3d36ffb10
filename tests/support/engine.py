"""The engine inside a test's process: read models installed, facts handed over, followers running."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from nats.aio.client import Client

from consumers.engine.follower import Follower
from consumers.engine.handler import Handler
from consumers.engine.projector import Projector
from consumers.reactors.catalogue import followers_of, install_reactors, reactors_of, tasks_of
from consumers.reactors.declaration import Resources
from consumers.reactors.process_reactors import ProcessReactors
from foldline.settings import Settings
from line.connection import connect_bus
from line.progress import Progress
from line.streams import prepare_line
from producers.publishing.publisher import Publisher
from projections.catalogue import PROJECTIONS
from projections.install import install
from runtime.database.connections import connect_with_retry, pool
from runtime.database.engine.install import install_engine


def install_read_models(dsn: str) -> None:
    """Install all read models, as every consumer does at its start."""
    asyncio.run(_install(Settings(_env_file=None, database_url=dsn, connect_timeout=30)))


async def _install(settings: Settings) -> None:
    async with await connect_with_retry(settings, name="test-install") as conn:
        await install_engine(conn)
        for projection in PROJECTIONS:
            await install(conn, projection, settings.partitions)
        await install_reactors(conn, settings)


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
async def reactor_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Connect as a consumer process does, for reactors that a test makes."""
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
        yield Resources(
            settings=settings,
            nc=reading,
            publisher=publisher,
            progress=progress,
            pool=readers,
            followers=followers_of(settings),
            tasks=tasks_of(settings),
        )


@asynccontextmanager
async def engine(settings: Settings, *, owner: str = "test") -> AsyncIterator[list[Follower]]:
    """Run the followers of a consumer process: the projectors and the following reactors."""
    async with reactor_resources(settings) as resources:
        projectors = [Projector(projection) for projection in PROJECTIONS]
        reactors = ProcessReactors(reactors_of(settings)).handlers(resources)
        async with following(resources.nc, settings, *projectors, *reactors, owner=owner) as followers:
            yield followers


@pytest.fixture
async def running_engine(settings: Settings) -> AsyncIterator[None]:
    """The engine runs on the test's line from before its first step to its end."""
    async with engine(settings):
        yield
