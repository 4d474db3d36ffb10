"""The process of routes that read, as routers see it while nothing is connected yet."""

from typing import Protocol

from api.reading.reader import Reader
from runtime.compat.nats_client import BusClient
from runtime.process.lifecycle import Lifecycle


class ReadProcess(Protocol):
    """A process that is wired and not connected yet; a function that makes routers takes it."""

    @property
    def bootstrap(self) -> Lifecycle:
        """The start and the end of the process; a router adds what runs beside it."""

    @property
    def nc(self) -> BusClient:
        """The connection to NATS."""

    @property
    def reader(self) -> Reader:
        """The reads of PostgreSQL."""
