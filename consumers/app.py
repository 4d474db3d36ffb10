"""The consumer process, wired in one place: followers, reactors, and FastStream around them.

`foldline consumer` runs it, and so does `faststream run consumers.app:app`. Any number may run: they share
the partitions.
"""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import nats.errors
import uvloop
from faststream import FastStream
from nats.aio.client import Client
from prometheus_client import start_http_server

from consumers.broker import ReconnectingBroker, faststream_logger
from consumers.control.upgrade import upgrade
from consumers.engine.follower import Follower
from consumers.engine.handler import Handler
from consumers.engine.projector import Projector
from consumers.reactors.catalogue import followers_of, install_reactors, reactors_of, tasks_of
from consumers.reactors.declaration import Resources
from consumers.reactors.process_reactors import ProcessReactors
from line.connection import close_bus, connect_bus
from line.identity import check_identity
from line.progress import Progress
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
from runtime.process.starting import start_with_retry
from runtime.process.tasks import cancel_and_wait
from runtime.settings.processes import ConsumerSettings

logger = logging.getLogger("foldline.consumer")


def create_app(config: ConsumerSettings) -> FastStream:
    """Make the process: followers of all projections, and the reactors that its settings enable."""
    broker = ReconnectingBroker(config)
    reactors = ProcessReactors(reactors_of(config))
    reactors.subscribe(broker)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        starting = asyncio.create_task(
            start_with_retry(partial(_wire, config, reactors), timeout=config.connect_timeout)
        )
        while not (await asyncio.wait({starting}, timeout=0.2))[0]:
            if is_asked_to_stop(app):
                starting.cancel()
        async with await starting:
            yield

    app = FastStream(broker, lifespan=lifespan, logger=faststream_logger)
    return app


async def _wire(config: ConsumerSettings, reactors: ProcessReactors) -> AsyncExitStack:
    """Follow the line until the stack that is returned is closed."""
    async with AsyncExitStack() as stack:
        await _follow(config, reactors, stack)
        return stack.pop_all()


async def _follow(config: ConsumerSettings, reactors: ProcessReactors, stack: AsyncExitStack) -> None:
    """Connect, prepare line and schemas, and start following. Everything stops with `stack`."""
    reading = await connect_bus(config, name="foldline-consumer")
    stack.push_async_callback(close_bus, reading)
    publishing = await connect_bus(config, name="foldline-consumer-publisher", publisher=True)
    stack.push_async_callback(close_bus, publishing)
    await prepare_line(reading, config)
    projections = projections_of(config.endpoints)
    outdated = await _install(config, reading, projections)
    pool = await stack.enter_async_context(connections.pool(config, name="foldline-consumer"))
    progress = Progress(reading, pool)
    await progress.start()
    publisher = Publisher(publishing, partitions=config.partitions, timeout=config.publish_timeout)
    stack.push_async_callback(publisher.aclose)
    owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    resources = Resources(
        settings=config,
        nc=reading,
        publisher=publisher,
        progress=progress,
        pool=pool,
        followers=followers_of(config),
        tasks=tasks_of(config),
    )
    projectors: list[Handler] = [Projector(projection) for projection in projections]
    handlers = projectors + reactors.handlers(resources)
    followers = [Follower(handler, reading, config, owner) for handler in handlers]
    running = [asyncio.create_task(follower.run()) for follower in followers]
    stack.push_async_callback(_stop, followers, running)
    for projection in outdated:
        upgrading = asyncio.create_task(upgrade(projection, config, reading))
        stack.push_async_callback(cancel_and_wait, upgrading)
    await stack.enter_async_context(reactors.running(resources))
    if config.metrics_port:
        server, thread = start_http_server(config.metrics_port, addr=config.host)
        stack.callback(thread.join)
        stack.callback(server.shutdown)
    logger.info("consumer %s follows the line", owner)


async def _install(
    config: ConsumerSettings, nc: Client, projections: tuple[Projection[Any, Any], ...]
) -> list[Projection[Any, Any]]:
    """Create what PostgreSQL lacks; returns the projections whose live generation is of an older version."""
    async with await connections.connect_with_retry(config, name="foldline-install") as conn:
        await install_engine(conn)
        outdated = [one for one in projections if not await install(conn, one, config.partitions)]
        await install_reactors(conn, config)
        await check_identity(nc, conn, closely=True)
    return outdated


async def _stop(followers: list[Follower], running: list[asyncio.Task[None]]) -> None:
    for follower in followers:
        follower.stop()
    await asyncio.gather(*running)


def run(config: ConsumerSettings) -> None:
    """Follow until SIGTERM or Ctrl-C, then finish the batch in hand and give up the leases."""
    set_up_logging(config)
    collect_rarely()
    try:
        uvloop.run(create_app(config).run())
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
