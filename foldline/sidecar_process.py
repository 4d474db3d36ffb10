"""`foldline sidecar`: the agent of a host, wired here and nowhere else."""

import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from fastapi import APIRouter

from line.line_clock import LineClock
from producers.sidecar.carrier import Carrier
from producers.sidecar.daemon.facts import SessionFacts
from producers.sidecar.daemon.hang_watch import HangWatch
from producers.sidecar.daemon.host_heartbeats import Heartbeats
from producers.sidecar.daemon.reports import Reports
from producers.sidecar.daemon.routes import daemon_router
from producers.sidecar.daemon.session_store import SessionStore
from producers.sidecar.daemon.sessions import Sessions
from producers.sidecar.ingest import SidecarSurface, sidecar_router
from producers.sidecar.line_connection import LineConnection
from producers.sidecar.spool import Spool
from producers.sidecar.spool_check import spool_check
from runtime.http.ready_route import ready_router
from runtime.problems import Problem
from runtime.process.lifecycle import Lifecycle
from runtime.readiness import WRITES, Need, Readiness
from runtime.settings.processes import SidecarSettings
from schemas.jobs.streams import JOBS

logger = logging.getLogger("foldline.sidecar")


class SidecarProcess:
    """What the surfaces of a host are made of. It connects to the line in the background, or spools."""

    def __init__(self, settings: SidecarSettings) -> None:
        self.settings = settings
        self.bootstrap = Lifecycle(timeout=settings.connect_timeout)
        self.spool = Spool(
            settings.spool, max_facts=settings.spool_max_events, max_bytes=settings.spool_max_bytes
        )
        self.line = LineConnection(settings)
        self.carrier = Carrier(self.spool, self.line.publisher)
        clock = LineClock(self.line.client, JOBS.name)
        self.ingest = SidecarSurface(
            carrier=self.carrier,
            spool=self.spool,
            settings=settings,
            line=self.line,
            now=clock.now,
        )
        self.bootstrap.run(self._spooling())
        self.bootstrap.run(self.line.run())
        self.bootstrap.run(clock.run())
        self.bootstrap.run(self.carrier.run())

    @asynccontextmanager
    async def _spooling(self) -> AsyncIterator[None]:
        with _opening(self.settings.spool):
            await self.spool.open()
        if self.spool.depth.facts:
            logger.info("%d events wait in %s", self.spool.depth.facts, self.spool.folder)
        try:
            yield
        finally:
            await self.spool.close()


def ingest_routers(sidecar: SidecarProcess) -> list[APIRouter]:
    """Make the routes that take events of jobs."""
    return [sidecar_router(sidecar.ingest), ready_router(_readiness(sidecar))]


def daemon_routers(sidecar: SidecarProcess) -> list[APIRouter]:
    """Make the routes of the session daemon."""
    settings, line = sidecar.settings, sidecar.line
    facts = SessionFacts(settings.site, settings.max_body, sidecar.ingest.now)
    sessions = Sessions(accept=sidecar.ingest.accept, store=SessionStore(settings.spool), facts=facts)
    heartbeats = Heartbeats(line.publisher, sidecar.spool, facts)
    sidecar.bootstrap.run(_keeping(sessions, settings.spool))
    sidecar.bootstrap.run(HangWatch(sessions, heartbeats, settings).run())
    reports = Reports(sessions, lambda: line.connected)
    return [daemon_router(reports, settings.max_body), ready_router(_readiness(sidecar))]


def _readiness(sidecar: SidecarProcess) -> Readiness:
    """Events are taken whether or not there is a line."""
    line = sidecar.line

    async def line_away() -> str | None:
        return None if line.connected else f"{line.problem or 'away'}: events are spooled meanwhile"

    return Readiness(
        [Need("spool", spool_check(sidecar.spool), frozenset([WRITES])), Need("line", line_away)]
    )


@asynccontextmanager
async def _keeping(sessions: Sessions, folder: Path) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        with _opening(folder):
            await stack.enter_async_context(sessions.run())
        yield


@contextmanager
def _opening(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as exc:
        raise Problem(f"the folder {folder} cannot be used: {exc}", "FOLDLINE_SPOOL_DIR") from exc
