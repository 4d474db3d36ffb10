"""All routes of the sessions surface that read, put together for one process."""

from collections.abc import Sequence
from datetime import timedelta

from fastapi import APIRouter

from api.operations.health import health_router
from api.operations.rejected import rejected_router
from api.operations.rejected_collector import RejectedCollector
from api.operations.rejected_control import RejectedControl
from api.reading.checks import cut_note, database_check, parked_note, projection_check
from api.reading.reader import Reader
from api.sessions.export import export_router
from api.sessions.session import sessions_router
from api.sessions.time_travel import TimeTravel
from api.sessions.timeseries import timeseries_router
from projections.catalogue import PROJECTIONS
from projections.rejected import RejectedEvents
from projections.sessions.documents import SessionDocuments
from projections.sessions.exports import SessionExports
from projections.sessions.series import SessionSeries
from projections.sessions.views import SessionViews
from runtime.compat.nats_client import BusClient
from runtime.http.ready_route import ready_router
from runtime.readiness import READS, Need, Readiness


def read_routers(
    reader: Reader,
    nc: BusClient,
    needs: Sequence[Need],
    events: RejectedEvents,
    control: RejectedControl,
) -> list[APIRouter]:
    """The routers. `needs` are asked for readiness beside PostgreSQL and the projections."""
    settings = reader.settings
    timeout = timedelta(seconds=settings.heartbeat_timeout)
    views = SessionViews(own=settings.site, partitions=settings.partitions)
    documents = SessionDocuments(own=settings.site, timeout=timeout, partitions=settings.partitions)
    readiness = Readiness(
        [
            *needs,
            Need("database", database_check(reader), frozenset([READS])),
            *(
                Need(f"projection {p.name}", projection_check(reader, p.name), frozenset([READS]))
                for p in PROJECTIONS
            ),
            *(Need(f"parked {p.name}", parked_note(reader, p.name)) for p in PROJECTIONS),
            *(Need(f"lost {p.name}", cut_note(reader, nc, p), silence_is_well=True) for p in PROJECTIONS),
        ]
    )
    return [
        sessions_router(reader, documents, views, TimeTravel(nc, reader, views)),
        export_router(reader, SessionExports(timeout=timeout)),
        timeseries_router(reader, SessionSeries()),
        rejected_router(reader, events, control),
        health_router(RejectedCollector(reader, events).refresh),
        ready_router(readiness),
    ]
