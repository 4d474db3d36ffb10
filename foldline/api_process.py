"""`foldline api`: the surfaces of a site, wired here and nowhere else."""

from collections.abc import Sequence
from functools import partial

from fastapi import APIRouter

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
from api.reading.checks import cut_note, database_check, identity_check, projection_check
from api.reading.reader import Reader
from api.routes import read_routers
from foldline.projection_control import EngineProjectionControl
from foldline.reactor_control import ConsumerReactorControl
from foldline.rejected_control import PublishingRejectedControl
from line.bootstrap import Bootstrap
from line.health import nats_check, write_check
from line.line_clock import LineClock
from line.streams import prepare_line
from producers.existence import Existence
from producers.http.job_ingest import JobSurface, job_events_router
from producers.http.session_surface import HungReader, WriteSurface
from producers.http.session_writes import sessions_router
from producers.publishing.publisher import Publisher
from projections.catalogue import PROJECTIONS, projection_named
from projections.jobs.views import PROJECTION
from projections.rejected import RejectedEvents
from projections.sessions.liveness import hung_sessions
from runtime.http.ready_route import ready_router
from runtime.process.repeating import repeating
from runtime.readiness import READS, WRITES, Need, Readiness
from runtime.settings.processes import ApiSettings
from schemas.jobs.streams import JOBS as JOBS_STREAM
from schemas.sessions.recovery import HungSession
from schemas.streams import Stream


class ApiProcess:
    """What the surfaces of a site are made of. Nothing is connected before its bootstrap has started."""

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings
        self.bootstrap = Bootstrap(settings, name="foldline-api", publisher=True)
        self.nc = self.bootstrap.nc
        self.progress = self.bootstrap.progress
        self.bootstrap.begin(partial(prepare_line, self.nc, settings))
        self.clock = LineClock(lambda: self.nc, settings.streams[0].name)
        self.bootstrap.run(self.clock.run())
        self.reader = Reader(settings, self.bootstrap.pool, self.progress)
        self.publisher = Publisher(self.nc, partitions=settings.partitions, timeout=settings.publish_timeout)
        self.bootstrap.drain(self.publisher.aclose)

    def line_needs(self, streams: Sequence[Stream]) -> list[Need]:
        """Return what writes to these streams need of the line; reads need nothing of it."""
        settings, writes = self.settings, frozenset([WRITES])
        return [
            Need("nats", nats_check(self.nc, settings), writes),
            Need("event stream", write_check(self.nc, streams, settings.site), writes),
            Need("line", identity_check(self.reader, self.nc, streams), writes, silence_is_well=True),
        ]


def session_routers(api: ApiProcess) -> list[APIRouter]:
    """Make the routes of sessions and operations."""
    settings, nc, reader = api.settings, api.nc, api.reader
    existence = Existence(
        api.publisher.stored_lookup, partitions=settings.partitions, timeout=settings.publish_timeout
    )
    writes = WriteSurface(
        publisher=api.publisher,
        existence=existence,
        progress=api.progress,
        hung=_hung_reader(reader),
        settings=settings,
        now=api.clock.now,
    )
    control = EngineProjectionControl(settings, reader, nc)
    api.bootstrap.drain(control.aclose)
    gauges = FollowerGauges(reader, nc)
    api.bootstrap.run(repeating(gauges.try_to_measure, every=EVERY_S))
    reactors = ConsumerReactorControl(reader, nc)
    api.bootstrap.run(repeating(ReactorGauges(reactors).try_to_read, every=READ_EVERY_S))
    events = RejectedEvents({projection.name: projection.schema for projection in PROJECTIONS})
    rejected = PublishingRejectedControl(events, reader, nc, api.publisher)
    return [
        sessions_router(writes),
        *read_routers(reader, nc, api.line_needs(settings.streams), events, rejected),
        projections_router(control, settings.site),
        rebuilds_router(control, settings.site),
        reactors_router(reactors),
    ]


def job_routers(api: ApiProcess) -> list[APIRouter]:
    """Make the routes of this site's jobs."""
    live = LiveFanout(api.nc, api.reader, JOBS_STREAM.name)
    api.bootstrap.run(live.run())
    views = job_views(api.reader)
    collector = JobsCollector(api.reader, views)
    api.bootstrap.run(collector.registered())
    database = Need("database", database_check(api.reader), frozenset([READS]))
    needs = [*api.line_needs([JOBS_STREAM]), database]
    folded = Need("projection jobs", projection_check(api.reader, PROJECTION), frozenset([READS]))
    lost = Need("lost jobs", cut_note(api.reader, api.nc, projection_named(PROJECTION)), silence_is_well=True)
    ingest = JobSurface(
        publisher=api.publisher, progress=api.progress, settings=api.settings, now=api.clock.now
    )
    return [
        job_events_router(ingest),
        job_stream_router(live),
        jobs_router(api.reader, views),
        job_health_router("local-api", Readiness(needs), collector.refresh, pool_state, SiteHealth),
        ready_router(Readiness([*needs, folded, lost])),
    ]


def _hung_reader(reader: Reader) -> HungReader:
    async def hung(site: str, session_id: str) -> HungSession | None:
        found = await reader.read(lambda conn: hung_sessions(conn, [(site, session_id)]))
        return HungSession(found[0].hung_seq, found[0].last_seq) if found else None

    return hung
