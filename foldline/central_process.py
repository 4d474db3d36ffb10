"""`foldline central`: the jobs of all sites, wired here and nowhere else."""

from functools import partial

from fastapi import APIRouter

from api.jobs.health import job_health_router
from api.jobs.jobs import job_views, jobs_router
from api.jobs.jobs_collector import JobsCollector
from api.jobs.responses import CentralHealth
from api.jobs.site_monitor import SiteMonitor
from api.jobs.sites import sites_router
from api.reading.checks import cut_note, database_check, identity_check, projection_check
from api.reading.reader import Reader
from line.bootstrap import Bootstrap
from line.health import nats_check, streams_check
from line.streams import prepare_line
from projections.catalogue import projection_named
from projections.jobs.views import PROJECTION
from runtime.http.ready_route import ready_router
from runtime.problems import Problem
from runtime.readiness import READS, Need, Readiness
from runtime.settings.processes import CentralSettings


class CentralProcess:
    """What the surface of a centre is made of. Raises Problem unless settings name the sites."""

    def __init__(self, settings: CentralSettings) -> None:
        if not settings.endpoints:
            raise Problem(
                "a centre must know its sites: name each with its jobs API, such as fab1=http://fab1:18000",
                "FOLDLINE_SITES",
            )
        self.settings = settings
        self.bootstrap = Bootstrap(settings, name="foldline-central")
        self.nc = self.bootstrap.nc
        self.bootstrap.begin(partial(prepare_line, self.nc, settings))
        self.reader = Reader(settings, self.bootstrap.pool, self.bootstrap.progress)


def routers(central: CentralProcess) -> list[APIRouter]:
    """Make the routes of the jobs of all sites."""
    nc, reader = central.nc, central.reader
    sites = SiteMonitor(nc, central.settings)
    central.bootstrap.run(sites.run())
    views = job_views(reader)
    collector = JobsCollector(reader, views)
    central.bootstrap.run(collector.registered())
    checks = {
        "nats": nats_check(nc, central.settings),
        "copies": streams_check(nc, central.settings.streams),
        "line": identity_check(reader, nc, central.settings.streams),
        "database": database_check(reader),
        "projection jobs": projection_check(reader, PROJECTION),
    }
    # What has arrived is served without the sites, and without NATS; the health of the document names all.
    needed = {"database", "projection jobs"}
    jobs = projection_named(PROJECTION, central.settings.endpoints)
    readiness = Readiness(
        [
            *(
                Need(name, check, frozenset([READS] if name in needed else []))
                for name, check in checks.items()
            ),
            Need("lost jobs", cut_note(reader, nc, jobs), silence_is_well=True),
        ]
    )
    health = job_health_router(
        "central-api",
        Readiness([Need(name, check, frozenset([READS])) for name, check in checks.items()]),
        collector.refresh,
        lambda _: {"sites": {site.id: site.as_json() for site in sites.all()}},
        CentralHealth,
    )
    return [jobs_router(reader, views, sites), sites_router(sites), health, ready_router(readiness)]
