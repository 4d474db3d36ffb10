"""`/health`, `/ready` and `/metrics` of a consumer, on a port of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nats.aio.client import Client
from psycopg_pool import AsyncConnectionPool

from line.health import nats_check, write_check
from runtime.database.connections import Connection
from runtime.database.health import writable_check
from runtime.readiness import READS, WRITES, Need, Readiness
from runtime.settings.processes import ConsumerSettings


@asynccontextmanager
async def status_server(
    settings: ConsumerSettings, reading: Client, publishing: Client, pool: AsyncConnectionPool[Connection]
) -> AsyncIterator[None]:
    """Serve for the length of the block. Raises Problem when the port is taken.

    Folding needs a PostgreSQL that takes writes; it counts as reads, since it reads the line. Writes are what
    reactors publish: a centre has none.
    """
    # FastAPI takes 10 MB and a third of a second, which a consumer without this port does not need.
    from runtime.http.side_server import side_server  # noqa: PLC0415
    from runtime.http.status_app import status_app  # noqa: PLC0415

    needs = [
        Need("nats", nats_check(reading, settings), frozenset([READS, WRITES])),
        Need("database", writable_check(pool), frozenset([READS])),
    ]
    if not settings.endpoints:
        check = write_check(publishing, settings.streams, settings.site)
        needs.append(Need("event stream", check, frozenset([WRITES])))
    app = status_app("consumer", "Foldline consumer", Readiness(needs))
    async with side_server(settings.host, settings.metrics_port, "FOLDLINE_METRICS_PORT", app):
        yield
