"""`foldline api`: the surfaces of a site, wired here and nowhere else."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from fastapi import APIRouter, FastAPI

from api.jobs.health import job_health_router, pool_state
from api.jobs.jobs import job_views, jobs_router
from api.jobs.jobs_collector import JobsCollector
from api.jobs.live_fanout import LiveFanout
from api.jobs.live_stream import job_stream_router
from api.jobs.responses import SiteHealth
from api.operations.follower_gauges import EVERY_S, FollowerGauges
from api.operations.projections import projections_router
from api.operations.reactor_gauges import EVERY_S as READ_EVERY_S
from api.operations.reactor_gauges import ReactorGauges
from api.operations.reactors import reactors_router
from api.operations.rebuilds import rebuilds_router
from api.reading.checks import Check, database_check, identity_check, line_check
from api.reading.reader import Reader
from api.routes import read_routers
from foldline.projection_control import EngineProjectionControl
from foldline.reactor_control import ConsumerReactorControl
from foldline.read_side import ReadSide, connect_read_side
from foldline.rejected_control import PublishingRejectedControl
from foldline.surfaces import traced_surface
from producers.existence import Existence
from producers.http.job_ingest import JobSurface, job_events_router
from producers.http.session_surface import HungReader, WriteSurface
from producers.http.session_writes import sessions_router
from producers.publishing.publisher import Publisher
from projections.catalogue import PROJECTIONS
from projections.rejected import RejectedEvents
from projections.sessions.liveness import hung_sessions
from runtime.compat.fastapi_routes import add_routes
from runtime.http.envelopes import JOBS, SESSIONS
from runtime.http.listeners import Listener
from runtime.http.serving import serve
from runtime.process.garbage import collect_rarely
from runtime.process.logs import set_up_logging
from runtime.process.repeating import repeating
from runtime.process.starting import start_with_retry
from runtime.settings import Settings
from schemas.jobs.streams import JOBS as JOBS_STREAM
from schemas.sessions.recovery import HungSession


@dataclass(frozen=True, slots=True)
class Apps:
    """The applications of one process. The lifespan of `sessions` connects both."""

    sessions: FastAPI
    jobs: FastAPI


def create_apps(settings: Settings) -> Apps:
    """Create the applications; the lifespan connects to NATS and PostgreSQL, and raises Problem."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with await start_with_retry(partial(_wire, apps, settings), timeout=settings.connect_timeout):
            yield

    apps = Apps(
        traced_surface("sessions", "Foldline", SESSIONS, settings, lifespan=lifespan),
        traced_surface("jobs", "Foldline jobs", JOBS, settings),
    )
    return apps


async def _wire(apps: Apps, settings: Settings) -> AsyncExitStack:
    """Connect, and give every route what it needs. Everything is closed with the stack that is returned."""
    async with AsyncExitStack() as stack:
        side = await connect_read_side(settings, stack, name="foldline-api", publisher=True)
        publisher = Publisher(side.nc, partitions=settings.partitions, timeout=settings.publish_timeout)
        stack.push_async_callback(publisher.aclose)
        add_routes(apps.sessions, *await _sessions_routers(side, publisher, stack))
        add_routes(apps.jobs, *await _jobs_routers(side, publisher, stack))
        return stack.pop_all()


async def _sessions_routers(side: ReadSide, publisher: Publisher, stack: AsyncExitStack) -> list[APIRouter]:
    """The routes of sessions and operations."""
    settings, nc, reader = side.settings, side.nc, side.reader
    existence = Existence(
        publisher.stored_lookup, partitions=settings.partitions, timeout=settings.publish_timeout
    )
    writes = WriteSurface(
        publisher=publisher,
        existence=existence,
        progress=side.progress,
        hung=_hung_reader(reader),
        settings=settings,
        now=_now,
    )
    control = EngineProjectionControl(reader, nc)
    stack.push_async_callback(control.aclose)
    meter = FollowerGauges(reader, nc)
    await stack.enter_async_context(repeating(meter.try_to_measure, every=EVERY_S))
    reactors = ConsumerReactorControl(reader, nc)
    await stack.enter_async_context(repeating(ReactorGauges(reactors).try_to_read, every=READ_EVERY_S))
    events = RejectedEvents({projection.name: projection.schema for projection in PROJECTIONS})
    rejected = PublishingRejectedControl(events, reader, nc, publisher)
    return [
        sessions_router(writes),
        *read_routers(reader, nc, _checks(side), events, rejected),
        projections_router(control, settings.site),
        rebuilds_router(control, settings.site),
        reactors_router(reactors),
    ]


async def _jobs_routers(side: ReadSide, publisher: Publisher, stack: AsyncExitStack) -> list[APIRouter]:
    """The routes of this site's jobs."""
    live = LiveFanout(side.nc, side.reader, JOBS_STREAM.name)
    await stack.enter_async_context(live.run())
    views = job_views(side.reader)
    collector = JobsCollector(side.reader, views)
    stack.enter_context(collector.registered())
    checks = _checks(side) | {"database": database_check(side.reader)}
    return [
        job_events_router(
            JobSurface(publisher=publisher, progress=side.progress, settings=side.settings, now=_now)
        ),
        job_stream_router(live),
        jobs_router(side.reader, views),
        job_health_router("local-api", checks, collector.refresh, pool_state, SiteHealth),
    ]


def _checks(side: ReadSide) -> dict[str, Check]:
    return {"nats": line_check(side.nc, side.settings.streams), "line": identity_check(side.reader, side.nc)}


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

    apps = create_apps(settings)
    listeners = (
        Listener(settings.api_port, "FOLDLINE_API_PORT", apps.sessions, SESSIONS),
        Listener(settings.jobs_port, "FOLDLINE_JOBS_PORT", apps.jobs, JOBS),
    )
    serve(settings.host, listeners)
