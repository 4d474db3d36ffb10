"""The read side of a process: connections to NATS and PostgreSQL, and the reader on them."""

import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass

from api.reading.reader import Reader
from line.connection import close_bus, connect_bus
from line.progress import Progress
from line.streams import prepare_line
from runtime.compat.nats_client import BusClient
from runtime.database import connections
from runtime.settings import Settings

logger = logging.getLogger("foldline.read_side")


@dataclass(frozen=True, slots=True)
class ReadSide:
    """The connections all surfaces of a process share."""

    settings: Settings
    nc: BusClient
    progress: Progress
    reader: Reader


async def connect_read_side(
    settings: Settings, stack: AsyncExitStack, *, name: str, publisher: bool = False
) -> ReadSide:
    """Connect, and prepare the streams; everything is closed with `stack`. Raises Problem.

    `name` is how the servers show the connections; `publisher`: facts are published on this one.
    """
    logger.info("connecting to NATS and PostgreSQL")
    nc = await connect_bus(settings, name=name, publisher=publisher)
    stack.push_async_callback(close_bus, nc)
    await prepare_line(nc, settings)
    # Fails with one clear line where the pool would only keep trying.
    await (await connections.connect_with_retry(settings, name=name)).close()
    pool = await stack.enter_async_context(connections.pool(settings, name=name))
    progress = Progress(nc, pool)
    await progress.start()
    return ReadSide(settings, nc, progress, Reader(settings, pool, progress))
