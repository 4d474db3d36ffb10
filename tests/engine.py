"""The engine inside a test's process: read models installed, facts handed over, followers running."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nats.aio.client import Client

from consumers.follower import Follower, Handler
from consumers.reactors.liveness import Liveness
from projections.catalogue import PROJECTIONS
from projections.install import add_leases, install
from runtime.postgres import connect_with_retry
from runtime.schema import install_engine
from runtime.settings import Settings


def install_read_models(dsn: str) -> None:
    """What every consumer does at its start."""
    asyncio.run(_install(Settings(_env_file=None, database_url=dsn, connect_timeout=30)))


async def _install(settings: Settings) -> None:
    async with await connect_with_retry(settings, name="test-install") as conn:
        await install_engine(conn)
        for projection in PROJECTIONS:
            await install(conn, projection, settings.partitions)
        await add_leases(conn, Liveness.name, settings.partitions)


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
