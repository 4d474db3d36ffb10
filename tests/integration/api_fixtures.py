"""A real PostgreSQL with folded sessions, for tests of everything that reads."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from nats.aio.client import Client

from api.reading.reader import Reader
from api.routes import read_routers
from foldline.embedded.postgres import PostgresServer
from foldline.rejected_control import Rejections
from line.progress import Progress
from line.raw_event import RawEvent
from producers.publishing.publisher import Publisher
from projections.catalogue import PROJECTIONS
from projections.install import install
from projections.recorded import decode
from projections.rejected import RejectedEvents
from projections.sessions.projection import SessionsProjection
from runtime.compat.fastapi_routes import add_routes
from runtime.compat.nats_client import BusClient
from runtime.database.connections import Connection, connect, pool
from runtime.database.engine.install import install_engine
from runtime.http.errors import SESSIONS, install_error_handlers
from runtime.settings import Settings
from schemas.headers import NO_HEADERS
from schemas.streams import stream_of
from schemas.subjects import Subject, partition_of

PARTITIONS = 16
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def stamp(seconds: float) -> str:
    """The same as it is served."""
    return at(seconds).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    # Not below pytest's own directory: any other pytest that starts closes that to PostgreSQL's user.
    with TemporaryDirectory(prefix="foldline-test-") as folder:
        server = PostgresServer(Path(folder) / "data", durable=False)
        server.start(60)
        yield server
        server.stop()


def reader_settings(server: PostgresServer, **changes: Any) -> Settings:
    return Settings(_env_file=None, database_url=server.dsn, connect_timeout=10, **changes)


class FoldedLine:
    """Puts facts into the read model as the projector would, one at a time, without a NATS server."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.projection = SessionsProjection()
        self.sequence = 0

    async def put(
        self,
        fact: str,
        session_id: str,
        body: dict[str, Any] | None = None,
        *,
        site: str = "local",
        stored_at: datetime | None = None,
    ) -> int:
        """Fold one fact; returns its sequence. Stored at its sequence in seconds after noon by default."""
        self.sequence += 1
        part = partition_of(session_id, PARTITIONS)
        stream = stream_of("session", fact).name
        event = decode(
            RawEvent(
                stream=stream,
                partition=part,
                sequence=self.sequence,
                stored_at=stored_at or at(self.sequence),
                subject=Subject(site, "session", session_id, fact).stored(PARTITIONS),
                headers=NO_HEADERS,
                body=json.dumps(body or {}).encode(),
            )
        )
        async with self.conn.transaction():
            states: dict[Any, Any] = dict(await self.projection.load(self.conn, [event.key]))
            changes = self.projection.changes()
            self.projection.fold(states, event, changes)
            await self.projection.prepare(self.conn)
            await self.projection.write(self.conn, changes)
            await self.projection.store(self.conn, states)
            await self.conn.execute(
                "update foldline.lease set seqs = seqs || jsonb_build_object(%s::text, %s::bigint)"
                " where follower = 'sessions' and part = %s",
                (stream, self.sequence, part),
            )
        return self.sequence

    async def created(self, session_id: str, *, site: str = "local", **body: Any) -> int:
        return await self.put("created", session_id, {"product": "App", "version": "1"} | body, site=site)

    async def reject(
        self, sequence: int, reason: str, *, stream: str = "SESSIONS", session_id: str = "S1"
    ) -> None:
        part = partition_of(session_id, PARTITIONS)
        await self.conn.execute(
            "insert into sessions.rejected (part, stream, seq, subject, reason, details, stored_at)"
            " values (%s, %s, %s, %s, %s, 'why', %s)",
            (part, stream, sequence, f"ev.{part}.local.session.{session_id}.state", reason, at(sequence)),
        )


@asynccontextmanager
async def folded_line(server: PostgresServer) -> AsyncIterator[FoldedLine]:
    """An empty read model, whatever was there before."""
    conn = await connect(reader_settings(server), name="test-line")
    async with conn:
        for schema in ("foldline", *(projection.schema for projection in PROJECTIONS)):
            await conn.execute(f"drop schema if exists {schema} cascade".encode())
        await install_engine(conn)
        for projection in PROJECTIONS:
            await install(conn, projection, PARTITIONS)
        yield FoldedLine(conn)


async def hold_leases(conn: Connection) -> None:
    """As if a consumer held all partitions."""
    await conn.execute(
        "update foldline.lease set owner = 'test', until = clock_timestamp() + interval '1 minute'"
    )


@asynccontextmanager
async def api_client(server: PostgresServer, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The read routes alone, without a NATS server: progress is then read from the lease rows."""
    settings = reader_settings(server, **changes)
    app = FastAPI(redirect_slashes=False)
    install_error_handlers(app, SESSIONS)
    async with pool(settings, name="test-api") as readers:
        reader = Reader(settings, readers, Progress(cast(Client, None), readers))
        nc = BusClient()
        events = RejectedEvents({"sessions": "sessions"})
        rejections = Rejections(events, reader, nc, Publisher(nc, partitions=PARTITIONS))
        add_routes(app, *read_routers(reader, nc, {}, events, rejections))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://foldline") as client:
            yield client
