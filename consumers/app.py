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
from datetime import timedelta
from functools import partial

import nats.errors
import uvloop
from faststream import FastStream
from prometheus_client import start_http_server

from consumers.broker import PatientBroker, quiet
from consumers.control.upgrade import upgrade
from consumers.engine.follower import Follower
from consumers.engine.handler import Handler
from consumers.engine.projector import Projector
from consumers.reactors import retention, sweep
from consumers.reactors.expiry import Expiry, subscribe_expiry
from consumers.reactors.liveness import Liveness
from consumers.reactors.periodic import Round, try_round
from line.connection import close_bus, connect_bus
from line.identity import check_identity
from line.progress import Progress
from line.streams import prepare_line
from producers.publishing.publisher import Publisher
from projections.catalogue import projections_of
from projections.generations import add_leases
from projections.install import install
from runtime.compat.faststream_app import is_asked_to_stop
from runtime.database import connections
from runtime.database.engine.install import install_engine
from runtime.process.garbage import collect_rarely
from runtime.process.logs import set_up_logging
from runtime.process.repeating import repeating
from runtime.process.starting import start_with_retry
from runtime.process.tasks import cancel_and_wait
from runtime.settings import Settings, settings

logger = logging.getLogger("foldline.consumer")


def create_app(config: Settings) -> FastStream:
    """Followers of all projections, the liveness reactor, and task reactors as FastStream subscribers."""
    broker = PatientBroker(config)
    parts: dict[str, Expiry] = {}
    if not config.endpoints:  # a centre only gathers: what ends is concluded at the sites
        subscribe_expiry(broker, lambda: parts["expiry"])

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        starting = asyncio.create_task(
            start_with_retry(partial(_wire, config), timeout=config.connect_timeout)
        )
        while not (await asyncio.wait({starting}, timeout=0.2))[0]:
            if is_asked_to_stop(app):
                starting.cancel()
        parts["expiry"], following = await starting
        async with following:
            yield

    app = FastStream(broker, lifespan=lifespan, logger=quiet)
    return app


async def _wire(config: Settings) -> tuple[Expiry, AsyncExitStack]:
    """Follow the line, until the stack that is returned is closed."""
    async with AsyncExitStack() as stack:
        return await _follow(config, stack), stack.pop_all()


async def _follow(config: Settings, stack: AsyncExitStack) -> Expiry:
    """Connect, prepare line and schemas, and start following. Everything stops with `stack`."""
    reading = await connect_bus(config, name="foldline-consumer")
    stack.push_async_callback(close_bus, reading)
    publishing = await connect_bus(config, name="foldline-consumer-publisher", publisher=True)
    stack.push_async_callback(close_bus, publishing)
    await prepare_line(reading, config)
    projections = projections_of(config.endpoints)
    async with await connections.connect_with_retry(config, name="foldline-install") as conn:
        await install_engine(conn)
        outdated = [one for one in projections if not await install(conn, one, config.partitions)]
        if not config.endpoints:
            await add_leases(conn, Liveness.name, config.partitions, streams=Liveness.streams)
        await check_identity(reading, conn, closely=True)
    pool = await stack.enter_async_context(connections.pool(config, name="foldline-consumer"))
    progress = Progress(reading, pool)
    await progress.start()
    publisher = Publisher(publishing, partitions=config.partitions, timeout=config.publish_timeout)
    stack.push_async_callback(publisher.aclose)
    owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    handlers: list[Handler] = [Projector(projection) for projection in projections]
    if not config.endpoints:
        handlers.append(
            Liveness(
                reading, publisher, progress, partitions=config.partitions, timeout=config.heartbeat_timeout
            )
        )
    followers = [Follower(handler, reading, config, owner) for handler in handlers]
    running = [asyncio.create_task(follower.run()) for follower in followers]
    stack.push_async_callback(_stop, followers, running)
    for projection in outdated:
        upgrading = asyncio.create_task(upgrade(projection, config, reading))
        stack.push_async_callback(cancel_and_wait, upgrading)
    rounds: list[tuple[str, Round, float]] = []
    if not config.endpoints:
        rounds.append(("sweep", sweep.Sweep(reading, age=sweep.AGE).round, sweep.EVERY))
    if config.session_retention_days and not config.endpoints:
        age = timedelta(days=config.session_retention_days)
        silent = retention.Retention(reading, publisher, progress, partitions=config.partitions, age=age)
        rounds.append(("retention", silent.round, retention.EVERY))
        logger.info("sessions expire after %g days of silence", config.session_retention_days)
    for name, act, every in rounds:
        again = repeating(partial(try_round, config, name, act), every=every, first=every)
        await stack.enter_async_context(again)
    if config.metrics_port:
        server, thread = start_http_server(config.metrics_port, addr=config.host)
        stack.callback(thread.join)
        stack.callback(server.shutdown)
    logger.info("consumer %s follows the line", owner)
    return Expiry(reading, progress, pool, partitions=config.partitions)


async def _stop(followers: list[Follower], running: list[asyncio.Task[None]]) -> None:
    for follower in followers:
        follower.stop()
    await asyncio.gather(*running)


def run(config: Settings) -> None:
    """Follow until SIGTERM or Ctrl-C, then finish the batch in hand and give up the leases."""
    set_up_logging(config)
    collect_rarely()
    try:
        uvloop.run(create_app(config).run())
    except asyncio.CancelledError:
        logger.info("asked to stop while starting")
    except nats.errors.Error as exc:
        logger.info("stopped without a good-bye to NATS: %s", exc)


def __getattr__(name: str) -> FastStream:
    # For `faststream run consumers.app:app`; importing this module alone must not read the environment.
    if name != "app":
        raise AttributeError(name)
    globals()["app"] = created = create_app(settings())
    return created
