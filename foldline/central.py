"""`foldline central`: the jobs of all sites, wired here and nowhere else."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI

from api.jobs.health import job_health_router
from api.jobs.jobs import job_views, jobs_router
from api.jobs.jobs_collector import JobsCollector
from api.jobs.site_monitor import SiteMonitor
from api.jobs.sites import sites_router
from api.reading.checks import database_check, identity_check, line_check, projection_check
from api.reading.reader import Reader
from foldline.web import surface
from line.connection import close_bus, connect_bus
from line.progress import Progress
from line.streams import prepare_line
from projections.jobs.views import PROJECTION
from runtime.compat.fastapi_routes import add_routes
from runtime.database import connections
from runtime.http.errors import JOBS
from runtime.http.serving import Listener, Surfaces, serve
from runtime.problems import Problem
from runtime.process.garbage import collect_rarely
from runtime.process.logs import set_up_logging
from runtime.process.starting import start_with_retry
from runtime.settings import Settings

logger = logging.getLogger("foldline.central")


def create_app(settings: Settings) -> FastAPI:
    """The application; its lifespan connects to the centre's NATS and PostgreSQL, and raises Problem."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with await start_with_retry(partial(_wire, app, settings), timeout=settings.connect_timeout):
            yield

    return surface("Foldline sites", JOBS, settings, lifespan=lifespan)


async def _wire(app: FastAPI, settings: Settings) -> AsyncExitStack:
    async with AsyncExitStack() as stack:
        logger.info("connecting")
        nc = await connect_bus(settings, name="foldline-central")
        stack.push_async_callback(close_bus, nc)
        await prepare_line(nc, settings)
        await (await connections.connect_with_retry(settings, name="foldline-central")).close()
        pool = await stack.enter_async_context(connections.pool(settings, name="foldline-central"))
        progress = Progress(nc, pool)
        await progress.start()
        reader = Reader(settings, pool, progress)
        sites = SiteMonitor(nc, settings)
        await stack.enter_async_context(sites.run())
        views = job_views(reader)
        collector = JobsCollector(reader, views)
        stack.enter_context(collector.registered())
        checks = {
            "nats": line_check(nc, settings.streams),
            "line": identity_check(reader, nc),
            "database": database_check(reader),
            "projection jobs": projection_check(reader, PROJECTION),
        }
        health = job_health_router(
            "central-api",
            checks,
            collector.refresh,
            lambda _: {"sites": {site.id: site.as_json() for site in sites.all()}},
        )
        add_routes(app, jobs_router(reader, views, sites), sites_router(sites), health)
        return stack.pop_all()


def run_central(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises Problem."""
    if not settings.endpoints:
        raise Problem("a centre needs to know its sites: fab1=http://…:18000,fab2=…", "FOLDLINE_SITES")
    set_up_logging(settings)
    collect_rarely()

    def make() -> Surfaces:
        app = create_app(settings)
        return Surfaces([app], app.router.lifespan_context(app))

    serve(settings.host, [Listener(settings.central_port, "FOLDLINE_CENTRAL_PORT")], make)
