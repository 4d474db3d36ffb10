"""The bootstrap of a process: its connections, and how they are made, checked and closed.

What uses a connection is wired before anything is connected: routes need no server to be described.
"""

import logging
from typing import Generic, TypeVar

from line.connection import close_bus, connect_bus
from line.progress import Progress
from runtime.compat.nats_client import BusClient
from runtime.database import connections
from runtime.process.lifecycle import Lifecycle
from runtime.settings.database import ServerSettings
from runtime.settings.line import LineSettings

logger = logging.getLogger("foldline.bootstrap")

S = TypeVar("S", bound=ServerSettings)


class LineBootstrap(Lifecycle):
    """A process with connections to NATS alone. `name` is how the servers show them."""

    def __init__(self, settings: LineSettings, *, name: str, publisher: bool = False) -> None:
        super().__init__(timeout=settings.connect_timeout)
        self._line_settings = settings
        self.name = name
        self.nc = self.bus(name, publisher=publisher)

    def bus(self, name: str, *, publisher: bool = False) -> BusClient:
        """Return a connection that this process makes at its start.

        `publisher`: facts are published over it, so that it buffers nothing while it is disconnected.
        """
        client = BusClient()
        begun = connected = False

        async def connect() -> None:
            nonlocal begun, connected
            if connected:
                return  # the client connects again by itself
            logger.info("connecting to NATS as %s", name)
            begun = True
            await connect_bus(self._line_settings, name=name, publisher=publisher, client=client)
            connected = True

        async def close() -> None:
            if begun:
                await close_bus(client)

        self.close(close)
        self.begin(connect)
        return client


class Bootstrap(LineBootstrap, Generic[S]):
    """A process with connections to NATS and PostgreSQL."""

    def __init__(self, settings: S, *, name: str, publisher: bool = False) -> None:
        super().__init__(settings, name=name, publisher=publisher)
        self.settings = settings
        self.pool = connections.pool(settings, name=name)
        self.progress = Progress(self.nc, self.pool)
        self.close(self.pool.close)
        self.begin(self._connect_database)
        self.begin(self.progress.start)

    async def _connect_database(self) -> None:
        logger.info("connecting to PostgreSQL")
        # Fails with one clear line where the pool would only keep trying.
        await (await connections.connect_with_retry(self.settings, name=self.name)).close()
        await self.pool.open()
