"""The write routes of the sessions surface on a real line, with a stand-in for the read side."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from foldline.embedded.nats import NatsServer
from producers.existence import Existence
from producers.http.session_surface import WriteSurface
from producers.http.session_writes import sessions_router
from producers.publishing.publisher import Publisher
from runtime.compat.fastapi_routes import add_routes
from runtime.http.envelopes import SESSIONS
from runtime.http.error_handlers import install_error_handlers
from schemas.positions import Position
from schemas.sessions.recovery import HungSession
from schemas.validation import InvalidFact
from tests.support.settings import PARTITIONS, line_settings

NOW = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)
NOON = "2026-01-31T12:00:00.250000Z"
APP = {"product": "MyApp", "version": "1.0.0"}


@dataclass
class ReadSide:
    """A stand-in for the read side that notes what is awaited and knows of hangs."""

    projected: bool = True
    waits: list[tuple[Sequence[Position], float]] = field(default_factory=list)
    rejected: dict[Position, InvalidFact] = field(default_factory=dict)
    hangs: dict[str, HungSession | Exception] = field(default_factory=dict)

    async def wait(self, projection: str, positions: Sequence[Position], timeout: float) -> bool:
        assert projection == "sessions"
        self.waits.append((positions, timeout))
        return self.projected

    async def rejections(self, projection: str, positions: Sequence[Position]) -> dict[Position, InvalidFact]:
        return {one: self.rejected[one] for one in positions if one in self.rejected}

    async def hung(self, site: str, session_id: str) -> HungSession | None:
        assert site == "local"
        hang = self.hangs.get(session_id)
        if isinstance(hang, Exception):
            raise hang
        return hang


@pytest.fixture
def read_side() -> ReadSide:
    """The stand-in that the write routes of `writes` ask."""
    return ReadSide()


def write_client(server: NatsServer, publisher: Publisher, read_side: ReadSide) -> httpx.AsyncClient:
    """Return a client of write routes that run in this process."""
    surface = WriteSurface(
        publisher=publisher,
        existence=Existence(publisher.stored_lookup, partitions=PARTITIONS, timeout=publisher.timeout),
        progress=read_side,
        hung=read_side.hung,
        settings=line_settings(server, max_body=4096),
        now=lambda: NOW,
    )
    app = FastAPI()
    install_error_handlers(app, SESSIONS)
    add_routes(app, sessions_router(surface))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test/api")


@pytest.fixture
async def writes(
    line_server: NatsServer, publisher: Publisher, read_side: ReadSide
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the write routes on the module's line."""
    async with write_client(line_server, publisher, read_side) as client:
        yield client


async def begin(writes: httpx.AsyncClient, **more: Any) -> str:
    """Create a session and return its id."""
    answer = await writes.post("/sessions", json=APP | more)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def problem(answer: httpx.Response) -> tuple[int, str, str]:
    """Return status, error and details of a refusal."""
    body = answer.json()
    assert body.keys() == {"error", "details"}
    return answer.status_code, body["error"], body["details"]
