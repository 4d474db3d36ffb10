"""The HTTP process: its surfaces, wired here and nowhere else."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

from api.jobs.health import job_health_router, pool_state
from api.jobs.jobs import job_views, jobs_router
from api.jobs.jobs_collector import JobsCollector
from api.jobs.live_stream import LiveStream
from api.jobs.stream import job_stream_router
from api.operations.lag_meter import EVERY_S, LagMeter
from api.operations.projections import projections_router
from api.operations.rebuilds import rebuilds_router
from api.reading.checks import Check, database_check, identity_check, line_check
from api.reading.reader import Reader
from api.routes import read_routers
from foldline.projection_control import EngineProjectionControl
from foldline.rejected_control import PublishingRejectedControl
from line.connection import close_bus, connect_bus
from line.progress import Progress
from line.streams import prepare_line
from producers.existence import Existence
from producers.http.job_ingest import JobSurface, job_events_router
from producers.http.session_writes import sessions_router
from producers.http.surface import HungReader, WriteSurface
from producers.publishing.publisher import Publisher
from projections.catalogue import PROJECTIONS
from projections.rejected import RejectedEvents
from projections.sessions.liveness import hung_sessions
from runtime.compat.fastapi_routes import add_routes
from runtime.compat.nats_client import BusClient
from runtime.database import connections
from runtime.http.errors import JOBS, SESSIONS, Envelope, install_error_handlers
from runtime.http.request_metrics import RequestMetrics
from runtime.http.serving import Listener, Surfaces, serve
from runtime.process.garbage import collect_rarely
from runtime.process.logs import set_up_logging
from runtime.process.repeating import repeating
from runtime.process.starting import start_with_retry
from runtime.process.telemetry import tracer_provider
from runtime.settings import Settings
from schemas.sessions.recovery import HungSession
from schemas.streams import JOBS as JOBS_STREAM

logger = logging.getLogger("foldline.api")

_NO_TELEMETRY: Final = TelemetryConfig(tracing=False, metrics=False, logs=False)  # asked for each request


@dataclass(frozen=True, slots=True)
class Apps:
    """The applications of one process. The lifespan of `sessions` connects all of them."""

    sessions: FastAPI
    jobs: FastAPI


def create_apps(settings: Settings) -> Apps:
    """The applications; the lifespan connects to NATS and PostgreSQL, and raises Problem."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with await start_with_retry(partial(_wire, apps, settings), timeout=settings.connect_timeout):
            yield

    apps = Apps(
        surface("Foldline", SESSIONS, settings, lifespan=lifespan), surface("Foldline jobs", JOBS, settings)
    )
    return apps


def surface(title: str, envelope: Envelope, settings: Settings, lifespan: Any = None) -> FastAPI:
    """An application with the surface's errors."""
    # No redirects for trailing slashes: the documented paths, and 404 for any other.
    app = FastAPI(title=title, lifespan=lifespan, redirect_slashes=False, telemetry=_NO_TELEMETRY)
    install_error_handlers(app, envelope)
    if envelope is JOBS:
        app.add_middleware(RequestMetrics)
    if settings.otlp_endpoint:
        FastAPIInstrumentor.instrument_app(
            app,
            tracer_provider=tracer_provider(settings, "foldline-api"),
            excluded_urls="/health,/ready,/metrics,/v1/healthz",
        )
    return app


async def _wire(apps: Apps, settings: Settings) -> AsyncExitStack:
    """Connect, and give every route what it needs. Everything is closed with the stack that is returned."""
    async with AsyncExitStack() as stack:
        connected = await _connect(settings, stack)
        add_routes(apps.sessions, *await _sessions(connected, stack))
        add_routes(apps.jobs, *await _jobs(connected, stack))
        return stack.pop_all()


@dataclass(frozen=True, slots=True)
class _Connected:
    """What all surfaces share."""

    settings: Settings
    nc: BusClient
    reader: Reader
    progress: Progress
    publisher: Publisher


async def _connect(settings: Settings, stack: AsyncExitStack) -> _Connected:
    logger.info("connecting")
    nc = await connect_bus(settings, name="foldline-api", publisher=True)
    stack.push_async_callback(close_bus, nc)
    await prepare_line(nc, settings)
    # Fails with one clear line where the pool would only keep trying.
    await (await connections.connect_with_retry(settings, name="foldline-api")).close()
    pool = await stack.enter_async_context(connections.pool(settings, name="foldline-api"))
    progress = Progress(nc, pool)
    await progress.start()
    publisher = Publisher(nc, partitions=settings.partitions, timeout=settings.publish_timeout)
    stack.push_async_callback(publisher.aclose)
    return _Connected(settings, nc, Reader(settings, pool, progress), progress, publisher)


async def _sessions(on: _Connected, stack: AsyncExitStack) -> list[APIRouter]:
    """Sessions, and operations."""
    settings, nc, reader, publisher = on.settings, on.nc, on.reader, on.publisher
    existence = Existence(
        publisher.stored_lookup, partitions=settings.partitions, timeout=settings.publish_timeout
    )
    surface = WriteSurface(
        publisher=publisher,
        existence=existence,
        progress=on.progress,
        hung=_hung_reader(reader),
        settings=settings,
        now=_now,
    )
    control = EngineProjectionControl(reader, nc)
    stack.push_async_callback(control.aclose)
    meter = LagMeter(reader, nc)
    await stack.enter_async_context(repeating(meter.try_to_measure, every=EVERY_S))
    events = RejectedEvents({projection.name: projection.schema for projection in PROJECTIONS})
    rejected = PublishingRejectedControl(events, reader, nc, publisher)
    return [
        sessions_router(surface),
        *read_routers(reader, nc, _checks(on), events, rejected),
        projections_router(control, settings.site),
        rebuilds_router(control, settings.site),
    ]


async def _jobs(on: _Connected, stack: AsyncExitStack) -> list[APIRouter]:
    """Jobs of this site."""
    live = LiveStream(on.nc, on.reader, JOBS_STREAM.name)
    await stack.enter_async_context(live.run())
    views = job_views(on.reader)
    collector = JobsCollector(on.reader, views)
    stack.enter_context(collector.registered())
    ingest = JobSurface(publisher=on.publisher, progress=on.progress, settings=on.settings, now=_now)
    return [
        job_events_router(ingest),
        job_stream_router(live),
        jobs_router(on.reader, views),
        job_health_router(
            "local-api", _checks(on) | {"database": database_check(on.reader)}, collector.refresh, pool_state
        ),
    ]


def _checks(on: _Connected) -> dict[str, Check]:
    return {"nats": line_check(on.nc, on.settings.streams), "line": identity_check(on.reader, on.nc)}


def _now() -> datetime:
    return datetime.now(UTC)


def _hung_reader(reader: Reader) -> HungReader:
    async def hung(site: str, session_id: str) -> HungSession | None:
        found = await reader.read(lambda conn: hung_sessions(conn, [(site, session_id)]))
        return HungSession(found[0].hung_seq, found[0].last_seq) if found else None

    return hung


def run_api(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises Problem."""
    set_up_logging(settings)
    collect_rarely()

    def make() -> Surfaces:
        apps = create_apps(settings)
        return Surfaces((apps.sessions, apps.jobs), apps.sessions.router.lifespan_context(apps.sessions))

    listeners = (
        Listener(settings.api_port, "FOLDLINE_API_PORT"),
        Listener(settings.jobs_port, "FOLDLINE_JOBS_PORT"),
    )
    serve(settings.host, listeners, make)
