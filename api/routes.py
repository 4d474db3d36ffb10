"""All routes of the sessions surface that read, put together for one process."""

from collections.abc import Mapping
from datetime import timedelta

from fastapi import APIRouter

from api.operations.health import health_router
from api.operations.rejected import rejected_router
from api.operations.rejected_collector import RejectedCollector
from api.operations.rejected_control import RejectedControl
from api.reading.checks import Check, parked_note, projection_check
from api.reading.reader import Reader
from api.sessions.export import export_router
from api.sessions.session import sessions_router
from api.sessions.time_travel import TimeTravel
from api.sessions.timeseries import timeseries_router
from projections.catalogue import PROJECTIONS
from projections.rejected import RejectedEvents
from projections.sessions.exports import SessionExports
from projections.sessions.series import SessionSeries
from projections.sessions.views import SessionViews
from runtime.compat.nats_client import BusClient


def read_routers(
    reader: Reader,
    nc: BusClient,
    checks: Mapping[str, Check],
    events: RejectedEvents,
    control: RejectedControl,
) -> list[APIRouter]:
    """The routers. `checks` are asked for readiness beside those of the projections, by name."""
    settings = reader.settings
    timeout = timedelta(seconds=settings.heartbeat_timeout)
    views = SessionViews(own=settings.site, timeout=timeout, partitions=settings.partitions)
    notes = {f"parked {p.name}": parked_note(reader, p.name) for p in PROJECTIONS}
    projections = {f"projection {p.name}": projection_check(reader, p.name) for p in PROJECTIONS}
    return [
        sessions_router(reader, views, TimeTravel(nc, reader, views)),
        export_router(reader, SessionExports(timeout=timeout)),
        timeseries_router(reader, SessionSeries()),
        rejected_router(reader, events, control),
        health_router({**checks, **projections}, notes, RejectedCollector(reader, events).refresh),
    ]
