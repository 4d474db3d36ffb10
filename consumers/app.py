"""The consumer process, wired in one place: followers, reactors, and FastStream around them.

`foldline consumer` runs it, and so does `faststream run consumers.app:app`. Any number may run: they share
the partitions.
"""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import nats.errors
import uvloop
from faststream import FastStream

from consumers.broker import ReconnectingBroker, faststream_logger
from consumers.control.upgrade import upgrade
from consumers.engine.follower import Follower
from consumers.engine.following import following
from consumers.engine.handler import Handler
from consumers.engine.projector import Projector
from consumers.reactors.catalogue import followers_of, install_reactors, reactors_of, tasks_of
from consumers.reactors.declaration import Resources
from consumers.reactors.process_reactors import ProcessReactors
from consumers.status_server import status_server
from line.bootstrap import Bootstrap
from line.identity import check_identity
from line.streams import prepare_line
from producers.publishing.publisher import Publisher
from projections.catalogue import projections_of
from projections.install import install
from projections.projection import Projection
from runtime.compat.faststream_app import is_asked_to_stop
from runtime.database import connections
from runtime.database.engine.install import install_engine
from runtime.process.garbage import collect_rarely
from runtime.process.logs import set_up_logging
from runtime.process.tasks import cancel_and_wait
from runtime.settings.processes import ConsumerSettings

logger = logging.getLogger("foldline.consumer")


class ConsumerProcess:
    """What a consumer is made of. Nothing is connected before its bootstrap has started."""

    def __init__(self, settings: ConsumerSettings, reactors: ProcessReactors) -> None:
        self.settings = settings
        self.bootstrap = Bootstrap(settings, name="foldline-consumer")
        self._nc = self.bootstrap.nc
        publishing = self.bootstrap.bus("foldline-consumer-publisher", publisher=True)
        publisher = Publisher(publishing, partitions=settings.partitions, timeout=settings.publish_timeout)
        resources = Resources(
            settings=settings,
            nc=self._nc,
            publisher=publisher,
            progress=self.bootstrap.progress,
            pool=self.bootstrap.pool,
            followers=followers_of(settings),
            tasks=tasks_of(settings),
        )
        self._projections = projections_of(settings.endpoints)
        self._outdated: list[Projection[Any, Any]] = []
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self.bootstrap.begin(partial(prepare_line, self._nc, settings))
        self.bootstrap.begin(self._install)
        self.bootstrap.begin(partial(reactors.prepare, resources))
        self.bootstrap.drain(publisher.aclose)
        projectors: list[Handler] = [Projector(projection) for projection in self._projections]
        handlers = projectors + reactors.handlers(resources)
        self.bootstrap.run(
            following([Follower(handler, self._nc, settings, self._owner) for handler in handlers])
        )
        self.bootstrap.run(self._upgrading())
        self.bootstrap.run(reactors.running(resources))
        if settings.metrics_port:
            pool = self.bootstrap.pool
            self.bootstrap.run(status_server(settings, self._nc, publishing, pool))
        self.bootstrap.run(self._saying_so())

    async def _install(self) -> None:
        """Create what PostgreSQL lacks, and note whose live generation is of an older version."""
        settings = self.settings
        async with await connections.connect_with_retry(settings, name="foldline-install") as conn:
            await install_engine(conn)
            self._outdated = [
                one for one in self._projections if not await install(conn, one, settings.partitions)
            ]
            await install_reactors(conn, settings)
            await check_identity(self._nc, conn, closely=True)

    @asynccontextmanager
    async def _upgrading(self) -> AsyncIterator[None]:
        upgrades = [
            asyncio.create_task(upgrade(projection, self.settings, self._nc)) for projection in self._outdated
        ]
        try:
            yield
        finally:
            await cancel_and_wait(*upgrades)

    @contextmanager
    def _saying_so(self) -> Iterator[None]:
        logger.info("consumer %s follows the line", self._owner)
        yield


def create_app(settings: ConsumerSettings) -> FastStream:
    """Make the process: followers of all projections, and the reactors that its settings enable."""
    broker = ReconnectingBroker(settings)
    reactors = ProcessReactors(reactors_of(settings))
    reactors.subscribe(broker)
    process = ConsumerProcess(settings, reactors)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            starting = asyncio.create_task(stack.enter_async_context(process.bootstrap.started()))
            while not (await asyncio.wait({starting}, timeout=0.2))[0]:
                if is_asked_to_stop(app):
                    starting.cancel()
            await starting
            yield

    app = FastStream(broker, lifespan=lifespan, logger=faststream_logger)
    return app


def run(settings: ConsumerSettings) -> None:
    """Follow until SIGTERM or Ctrl-C, then finish the batch in hand and give up the leases."""
    set_up_logging(settings)
    collect_rarely()
    try:
        uvloop.run(create_app(settings).run())
    except asyncio.CancelledError:
        logger.info("stopped while starting, as asked")
    except nats.errors.Error as exc:
        logger.info("stopped; NATS was away at the end: %s", exc)


def __getattr__(name: str) -> FastStream:
    # For `faststream run consumers.app:app`; importing this module alone must not read the environment.
    if name != "app":
        raise AttributeError(name)
    globals()["app"] = created = create_app(ConsumerSettings())
    return created
