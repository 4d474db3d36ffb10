"""`foldline api`: the HTTP process, wired here and nowhere else."""

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final

import uvicorn
import uvloop
from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

from api import lag
from api.health import identity_check, line_check
from api.lag import LagMeter
from api.projections import projections_router
from api.reader import Reader
from api.rebuilds import rebuilds_router
from api.routes import read_routers
from foldline.operations import ProjectionOperations
from foldline.rejections import Rejections
from producers.existence import Existence
from producers.http.sessions import sessions_router
from producers.http.surface import HungReader, WriteSurface
from producers.publisher import Publisher
from projections.catalogue import PROJECTIONS
from projections.rejected import RejectedEvents
from projections.sessions.liveness import hung_sessions
from runtime import postgres
from runtime.bus import close_bus, connect_bus
from runtime.garbage import collect_rarely
from runtime.http import install_error_handlers
from runtime.line import prepare_line
from runtime.logs import set_up_logging
from runtime.problems import Problem
from runtime.progress import Progress
from runtime.repeating import repeating
from runtime.routes import add_routes
from runtime.settings import Settings
from runtime.starting import started
from runtime.telemetry import tracer_provider
from schemas.recovery import HungSession

logger = logging.getLogger("foldline.api")

_STOP: Final = (signal.SIGTERM, signal.SIGINT)
_DRAIN_S: Final = 10  # what running requests get when asked to stop
_NO_TELEMETRY: Final = TelemetryConfig(tracing=False, metrics=False, logs=False)  # asked for each request


def create_app(settings: Settings) -> FastAPI:
    """The application; its lifespan connects to NATS and PostgreSQL. Raises Problem there."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with await started(partial(_wire, app, settings), within=settings.connect_timeout):
            yield

    # No redirects for trailing slashes: the documented paths, and 404 for any other.
    app = FastAPI(title="Foldline", lifespan=lifespan, redirect_slashes=False, telemetry=_NO_TELEMETRY)
    install_error_handlers(app)
    if settings.otlp_endpoint:
        FastAPIInstrumentor.instrument_app(
            app,
            tracer_provider=tracer_provider(settings, "foldline-api"),
            excluded_urls="/health,/ready,/metrics",
        )
    return app


async def _wire(app: FastAPI, settings: Settings) -> AsyncExitStack:
    """Connect, and give every route what it needs. Everything is closed with the stack that is returned."""
    async with AsyncExitStack() as stack:
        routers = await _connected(settings, stack)
        add_routes(app, *routers)
        return stack.pop_all()


async def _connected(settings: Settings, stack: AsyncExitStack) -> list[APIRouter]:
    """All routes, on connections of their own."""
    logger.info("connecting")
    nc = await connect_bus(settings, name="foldline-api", publisher=True)
    stack.push_async_callback(close_bus, nc)
    await prepare_line(nc, settings)
    # Fails with one clear line where the pool would only keep trying.
    await (await postgres.connect_with_retry(settings, name="foldline-api")).close()
    pool = await stack.enter_async_context(postgres.pool(settings, name="foldline-api"))
    progress = Progress(nc, pool)
    await progress.start()
    reader = Reader(settings, pool, progress)
    publisher = Publisher(nc, partitions=settings.partitions, timeout=settings.publish_timeout)
    stack.push_async_callback(publisher.aclose)
    existence = Existence(publisher.stored, partitions=settings.partitions, timeout=settings.publish_timeout)
    surface = WriteSurface(
        publisher=publisher,
        existence=existence,
        progress=progress,
        hung=_hung_reader(reader),
        settings=settings,
        now=lambda: datetime.now(UTC),
    )
    operations = ProjectionOperations(reader, nc)
    stack.push_async_callback(operations.aclose)
    meter = LagMeter(reader, nc)
    await stack.enter_async_context(repeating(meter.try_to_measure, every=lag.EVERY))
    events = RejectedEvents({projection.name: projection.schema for projection in PROJECTIONS})
    rejections = Rejections(events, reader, nc, publisher)
    checks = {"nats": line_check(nc), "line": identity_check(reader, nc)}
    return [
        sessions_router(surface),
        *read_routers(reader, nc, checks, events, rejections),
        projections_router(operations, settings.site),
        rebuilds_router(operations, settings.site),
    ]


def _hung_reader(reader: Reader) -> HungReader:
    async def hung(site: str, session_id: str) -> HungSession | None:
        found = await reader.read(lambda conn: hung_sessions(conn, [(site, session_id)]))
        return HungSession(found[0].hung_seq, found[0].last_seq) if found else None

    return hung


def run_api(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C, then let running requests finish. Raises Problem."""
    set_up_logging(settings)
    collect_rarely()
    with _bound_socket(settings) as listener:
        uvloop.run(_serve(settings, listener))


async def _serve(settings: Settings, listener: socket.socket) -> None:
    app = create_app(settings)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http="httptools",
            lifespan="off",  # entered below, so that a Problem stays a Problem
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # no answer depends on who asked
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_DRAIN_S,
        )
    )
    starting = asyncio.current_task()

    def stop() -> None:
        # uvicorn raises the signal once more when it is done: by then there is nothing left to cancel.
        if starting is not None and not server.started:
            starting.cancel()

    for number in _STOP:
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        async with app.router.lifespan_context(app):
            logger.info("serving on %s port %s", *listener.getsockname()[:2])
            await server.serve(sockets=[listener])
    except asyncio.CancelledError:
        logger.info("asked to stop while starting")


def _bound_socket(settings: Settings) -> socket.socket:
    """The port is ours before anything is connected; nobody is let in before everything is."""
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.api_port))
    except OSError as exc:
        listener.close()
        raise Problem(
            f"cannot listen on {settings.host} port {settings.api_port}: {exc.strerror or exc}",
            "FOLDLINE_HOST, FOLDLINE_API_PORT",
        ) from exc
    return listener
