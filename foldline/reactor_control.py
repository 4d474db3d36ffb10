"""Control of reactors by the consumers' own commands, for `/v1/reactors`."""

from api.reading.reader import Reader
from consumers.control.reactors import pause_reactor, reactor_statuses, resume_reactor
from consumers.reactors.catalogue import REACTOR_NAMES
from line.status import read_status
from runtime.compat.nats_client import BusClient
from runtime.database.connections import Connection
from schemas.reactors import ReactorStatus


class ConsumerReactorControl:
    """Implements ReactorControl on the API's connections."""

    names = REACTOR_NAMES

    def __init__(self, reader: Reader, nc: BusClient) -> None:
        self._reader = reader
        self._nc = nc

    async def statuses(self, *, lags: bool = True) -> list[ReactorStatus]:
        async def read(conn: Connection) -> list[ReactorStatus]:
            followers = (await read_status(self._nc, conn)).followers if lags else ()
            return await reactor_statuses(self._nc, conn, self._reader.settings, followers)

        return await self._reader.read(read)

    async def pause(self, name: str, reason: str) -> bool:
        return await self._reader.read(lambda conn: pause_reactor(conn, name, reason))

    async def resume(self, name: str) -> bool:
        return await self._reader.read(lambda conn: resume_reactor(conn, name))
