"""The sidecar's connection to the line, made in the background: the sidecar starts without one."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from line.connection import close_bus, connect_bus
from line.streams import check_server
from line.sync import check_sync
from producers.publishing.publisher import Publisher
from runtime.compat.nats_client import BusClient
from runtime.problems import Problem
from runtime.process.tasks import cancel_and_wait
from runtime.settings.line import IngestSettings

logger = logging.getLogger("foldline.sidecar")

_RETRY_S: Final = 1.0


class LineConnection:
    """A publisher as soon as there is a server that keeps what it acknowledges; all is spooled until then."""

    def __init__(self, settings: IngestSettings) -> None:
        self.problem: str | None = None  # why no event goes there yet
        self._settings = settings
        self._nc: BusClient | None = None
        self._publisher: Publisher | None = None

    @property
    def connected(self) -> bool:
        """Whether events go to the line now."""
        return self.publisher() is not None

    def client(self) -> BusClient | None:
        """Return the client, once it was connected."""
        return self._nc

    def publisher(self) -> Publisher | None:
        """Return the publisher while there is a connection, else None."""
        return self._publisher if self._nc is not None and self._nc.is_connected else None

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Connect, and stay connected, for the length of the block."""
        task = asyncio.create_task(self._open())
        try:
            yield
        finally:
            await cancel_and_wait(task)
            if self._publisher is not None:
                await self._publisher.aclose()
            if self._nc is not None:
                await close_bus(self._nc)

    async def _open(self) -> None:
        while True:
            try:
                nc = await self._connect()
                break
            except (Problem, OSError) as exc:
                if str(exc) != self.problem:
                    logger.warning("%s: events are spooled meanwhile", exc)
                self.problem = str(exc)
                await asyncio.sleep(_RETRY_S)
        settings = self._settings
        self._publisher = Publisher(nc, partitions=settings.partitions, timeout=settings.publish_timeout)
        self.problem = None
        logger.info("connected to the event stream")

    async def _connect(self) -> BusClient:
        if self._nc is None:
            patient = self._settings.model_copy(update={"connect_timeout": _RETRY_S})
            self._nc = await connect_bus(patient, name="foldline-sidecar", publisher=True)
        check_server(self._nc)
        await check_sync(self._settings, deadline=time.monotonic())
        return self._nc
