"""A read model with folded sessions, and the read routes on it, without a NATS server."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from nats.aio.client import Client

from api.reading.reader import Reader
from api.routes import read_routers
from foldline.rejected_control import PublishingRejectedControl
from foldline.settings import Settings
from line.progress import Progress
from line.raw_event import RawEvent
from producers.publishing.publisher import Publisher
from projections.recorded import decode
from projections.rejected import RejectedEvents
from projections.sessions.projection import SessionsProjection
from runtime.compat.fastapi_routes import add_routes
from runtime.compat.nats_client import BusClient
from runtime.database.connections import Connection, connect, pool
from runtime.http.envelopes import SESSIONS
from runtime.http.error_handlers import install_error_handlers
from schemas.headers import NO_HEADERS
from schemas.registry import DECLARED
from schemas.stored_subjects import stored_form
from schemas.subjects import Subject, partition_of
from tests.support.settings import PARTITIONS

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """Return the time that is so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def stamp(seconds: float) -> str:
    """Return the text by which that time is served."""
    return at(seconds).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _settings(address: str, **changes: Any) -> Settings:
    return Settings(_env_file=None, database_url=address, connect_timeout=10, **changes)


class FoldedLine:
    """A read model into which facts are put as the projector would, one at a time."""

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
        """Fold one fact and return its sequence; it is stored so many seconds after noon by default."""
        self.sequence += 1
        part = partition_of(session_id, PARTITIONS)
        stream = DECLARED.stream_of("session", fact).name
        event = decode(
            RawEvent(
                stream=stream,
                partition=part,
                sequence=self.sequence,
                stored_at=stored_at or at(self.sequence),
                subject=stored_form(str(Subject(site, "session", session_id, fact)), PARTITIONS),
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
        """Fold the creation of a session."""
        return await self.put("created", session_id, {"product": "App", "version": "1"} | body, site=site)

    async def reject(
        self, sequence: int, reason: str, *, stream: str = "SESSIONS", session_id: str = "S1"
    ) -> None:
        """Set an event aside as the projector would."""
        part = partition_of(session_id, PARTITIONS)
        await self.conn.execute(
            "insert into sessions.rejected (part, stream, seq, subject, reason, details, stored_at)"
            " values (%s, %s, %s, %s, %s, 'why', %s)",
            (part, stream, sequence, f"ev.{part}.local.session.{session_id}.state", reason, at(sequence)),
        )


@asynccontextmanager
async def folding_into(address: str) -> AsyncIterator[FoldedLine]:
    """Open a read model for facts that are folded one by one."""
    async with await connect(_settings(address), name="test-line") as conn:
        yield FoldedLine(conn)


@pytest.fixture
async def folded_line(database: str) -> AsyncIterator[FoldedLine]:
    """An empty read model to fold facts into."""
    async with folding_into(database) as line:
        yield line


@pytest.fixture
async def reads(database: str, folded_line: FoldedLine) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the read routes on what `folded_line` folds; their pool has two connections."""
    async with read_client(database, pool_size=2) as client:
        yield client


async def hold_leases(conn: Connection) -> None:
    """Make it look as if a consumer held all partitions."""
    await conn.execute(
        "update foldline.lease set owner = 'test', until = clock_timestamp() + interval '1 minute'"
    )


@asynccontextmanager
async def read_client(address: str, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the read routes alone, without a NATS server: progress is then read from the lease rows."""
    settings = _settings(address, **changes)
    app = FastAPI(redirect_slashes=False)
    install_error_handlers(app, SESSIONS)
    async with pool(settings, name="test-api") as readers:
        reader = Reader(settings, readers, Progress(cast(Client, None), readers))
        nc = BusClient()
        events = RejectedEvents({"sessions": "sessions"})
        control = PublishingRejectedControl(events, reader, nc, Publisher(nc, partitions=PARTITIONS))
        add_routes(app, *read_routers(reader, nc, [], events, control))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://foldline") as client:
            yield client
