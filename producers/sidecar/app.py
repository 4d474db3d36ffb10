"""`foldline sidecar`: the agent of a host, wired here and nowhere else."""

import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from fastapi import FastAPI

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
from runtime.compat.fastapi_routes import add_routes
from runtime.http.envelopes import JOBS, SESSIONS
from runtime.http.listeners import Listener
from runtime.http.serving import serve
from runtime.http.surface_app import surface_app
from runtime.problems import Problem
from runtime.process.garbage import collect_rarely
from runtime.process.logs import set_up_logging
from runtime.settings import Settings

logger = logging.getLogger("foldline.sidecar")


class Apps(NamedTuple):
    """The two applications of a sidecar, and the lifespan of both."""

    ingest: FastAPI
    daemon: FastAPI
    lifespan: AbstractAsyncContextManager[None]


def create_apps(settings: Settings) -> Apps:
    """Make the ingest endpoints and the session daemon. Entering their lifespan raises Problem."""
    ingest = surface_app("sidecar", "Foldline sidecar", JOBS)
    daemon = surface_app("daemon", "Foldline session daemon", SESSIONS)

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            spool = Spool(
                settings.spool, max_facts=settings.spool_max_events, max_bytes=settings.spool_max_bytes
            )
            with _opening(settings.spool):
                await spool.open()
            stack.push_async_callback(spool.close)
            line = LineConnection(settings)
            await stack.enter_async_context(line.run())
            carrier = Carrier(spool, line.publisher)
            await stack.enter_async_context(carrier.run())
            if spool.depth.facts:
                logger.info("%d events wait in %s", spool.depth.facts, spool.folder)
            surface = SidecarSurface(
                carrier=carrier,
                spool=spool,
                settings=settings,
                line=line,
                now=lambda: datetime.now(UTC),
            )
            add_routes(ingest, sidecar_router(surface))
            facts = SessionFacts(settings.site, settings.max_body, surface.now)
            sessions = Sessions(accept=surface.accept, store=SessionStore(settings.spool), facts=facts)
            with _opening(settings.spool):
                await stack.enter_async_context(sessions.run())
            heartbeats = Heartbeats(line.publisher, spool, facts)
            await stack.enter_async_context(HangWatch(sessions, heartbeats, settings).run())
            add_routes(daemon, daemon_router(Reports(sessions, lambda: line.connected), settings.max_body))
            yield

    return Apps(ingest, daemon, life())


@contextmanager
def _opening(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as exc:
        raise Problem(f"the folder {folder} cannot be used: {exc}", "FOLDLINE_SPOOL_DIR") from exc


def run(settings: Settings) -> None:
    """Accept events until SIGTERM or Ctrl-C. Raises Problem."""
    set_up_logging(settings)
    collect_rarely()
    apps = create_apps(settings)
    listeners = [
        Listener(settings.sidecar_port, "FOLDLINE_SIDECAR_PORT", apps.ingest, JOBS),
        Listener(settings.daemon_port, "FOLDLINE_DAEMON_PORT", apps.daemon, SESSIONS),
    ]
    serve(settings.host, listeners, apps.lifespan)
