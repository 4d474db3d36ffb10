"""A follower's two PostgreSQL connections, made anew whenever they broke."""

import asyncio

from consumers.engine.leases import NOBODY, Backend, identify
from runtime.database import connections
from runtime.database.connections import Connection
from runtime.settings.database import DatabaseSettings


class Connections:
    """One connection writes batches, the other looks after leases: a long batch never costs a lease."""

    def __init__(self, settings: DatabaseSettings, follower: str) -> None:
        self._settings = settings
        self._follower = follower
        self._control: Connection | None = None
        self._writer: Connection | None = None
        self._backend = NOBODY
        self._connecting = asyncio.Lock()

    async def writer(self) -> Connection:
        """Return the connection that writes batches. Raises psycopg.OperationalError."""
        async with self._connecting:
            if self._writer is None or self._writer.closed:
                name = f"foldline {self._follower}"
                self._writer = await connections.connect(self._settings, name=name, by_key=True)
                self._writer.prepare_threshold = connections.ONLY_ON_REQUEST
                self._backend = await identify(self._writer)
            return self._writer

    async def renew_writer(self) -> None:
        """Close the writer: it keeps plans for types that are gone, and the next batch gets another."""
        async with self._connecting:
            if self._writer is not None:
                await self._writer.close()

    async def control(self) -> Connection:
        """Return the connection of leases. Raises psycopg.OperationalError."""
        async with self._connecting:
            if self._control is None or self._control.closed:
                name = f"foldline {self._follower} leases"
                self._control = await connections.connect(self._settings, name=name)
            return self._control

    async def backend(self) -> Backend:
        """Return the writer as PostgreSQL knows it; leases name it."""
        await self.writer()
        return self._backend

    async def close(self) -> None:
        """Close both, broken ones too."""
        for connection in (self._control, self._writer):
            if connection is not None:
                await connection.close()
