"""Reactors inside a test's process: those it declares, run as a consumer runs its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from faststream.nats import NatsBroker
from nats.aio.client import Client

from consumers.control.reactors import reactor_statuses
from consumers.reactors.declaration import Act, Reactor, Resources, Task
from consumers.reactors.process_reactors import ProcessReactors
from foldline.settings import Settings
from line.raw_event import RawEvent
from runtime.database.connections import Connection
from schemas.reactors import ReactorStatus
from tests.support.engine import following, reactor_resources


@asynccontextmanager
async def running_reactors(settings: Settings, *reactors: Reactor) -> AsyncIterator[Resources]:
    """Run reactors on the test's line until the block is left."""
    broker = NatsBroker(settings.nats_url.split(","), logger=None)
    running = ProcessReactors(reactors)
    running.subscribe(broker)
    async with reactor_resources(settings) as resources:
        await running.prepare(resources)
        async with (
            following(resources.nc, settings, *running.handlers(resources)),
            running.running(resources),
            broker,
        ):
            await broker.start()
            yield resources


def toy_task(act: Callable[[RawEvent], Awaitable[None]], *, fact: str = "session.ended") -> Task:
    """Declare a task reactor that calls `act`."""

    def made(_: Resources) -> Act:
        return act

    return Task(name="toy", about="does what the test wants", facts=(fact,), make=made)


async def status_of(nc: Client, db: Connection, settings: Settings, reactor: Reactor) -> ReactorStatus:
    """Return the status of one reactor."""
    (status,) = await reactor_statuses(nc, db, settings, reactors=(reactor,))
    return status
