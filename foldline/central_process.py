"""`foldline central`: the jobs of all sites, wired here and nowhere else."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI

from api.jobs.health import job_health_router
from api.jobs.jobs import job_views, jobs_router
from api.jobs.jobs_collector import JobsCollector
from api.jobs.responses import CentralHealth
from api.jobs.site_monitor import SiteMonitor
from api.jobs.sites import sites_router
from api.reading.checks import database_check, identity_check, line_check, projection_check
from foldline.read_side import connect_read_side
from foldline.surfaces import traced_surface
from projections.jobs.views import PROJECTION
from runtime.compat.fastapi_routes import add_routes
from runtime.http.envelopes import JOBS
from runtime.http.listeners import Listener
from runtime.http.serving import serve
from runtime.problems import Problem
from runtime.process.garbage import collect_rarely
from runtime.process.logs import set_up_logging
from runtime.process.starting import start_with_retry
from runtime.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Create the application; its lifespan connects to NATS and PostgreSQL, and raises Problem."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with await start_with_retry(partial(_wire, app, settings), timeout=settings.connect_timeout):
            yield

    return traced_surface("sites", "Foldline sites", JOBS, settings, lifespan=lifespan)


async def _wire(app: FastAPI, settings: Settings) -> AsyncExitStack:
    """Connect, and give every route what it needs. Everything is closed with the stack that is returned."""
    async with AsyncExitStack() as stack:
        side = await connect_read_side(settings, stack, name="foldline-central")
        sites = SiteMonitor(side.nc, settings)
        await stack.enter_async_context(sites.run())
        views = job_views(side.reader)
        collector = JobsCollector(side.reader, views)
        stack.enter_context(collector.registered())
        checks = {
            "nats": line_check(side.nc, settings.streams),
            "line": identity_check(side.reader, side.nc),
            "database": database_check(side.reader),
            "projection jobs": projection_check(side.reader, PROJECTION),
        }
        health = job_health_router(
            "central-api",
            checks,
            collector.refresh,
            lambda _: {"sites": {site.id: site.as_json() for site in sites.all()}},
            CentralHealth,
        )
        add_routes(app, jobs_router(side.reader, views, sites), sites_router(sites), health)
        return stack.pop_all()


def run_central(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises Problem."""
    if not settings.endpoints:
        raise Problem(
            "a centre must know its sites: name each with its jobs API, such as fab1=http://fab1:18000",
            "FOLDLINE_SITES",
        )
    set_up_logging(settings)
    collect_rarely()
    app = create_app(settings)
    serve(settings.host, [Listener(settings.central_port, "FOLDLINE_CENTRAL_PORT", app, JOBS)])
