"""Operating projections through an API process of its own: clients that go away, an API that dies."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from nats.aio.client import Client
from psycopg import sql

from foldline.embedded.nats import NatsServer
from foldline.embedded.ports import pick_port
from foldline.embedded.postgres import PostgresServer
from foldline.settings import Settings
from runtime.database.connections import Connection
from tests.support.databases import address_of
from tests.support.engine import engine
from tests.support.http import http_client
from tests.support.line import Line, Model
from tests.support.processes import Processes, ProcessUnderTest
from tests.support.served_surface import served_surface
from tests.support.settings import line_settings
from tests.support.waiting import wait_until

SESSIONS = "/v1/projections/sessions"
EVENTS = {"Accept": "text/event-stream"}
BARE = "test_bare"


@asynccontextmanager
async def served(
    settings: Settings, processes: Processes
) -> AsyncIterator[tuple[ProcessUnderTest, httpx.AsyncClient]]:
    """An API process and a client of it."""
    port = pick_port("127.0.0.1")
    process = processes.api(settings.model_copy(update={"api_port": port}))
    process.wait_for("serving on")
    async with http_client(f"http://127.0.0.1:{port}", timeout=30) as client:
        yield process, client


async def watch_one_reading(client: httpx.AsyncClient) -> None:
    """Begin a rebuild as a browser would, and close it after the first event."""
    async with client.stream("POST", f"{SESSIONS}/rebuild", headers=EVENTS) as stream:
        assert stream.status_code == 200
        lines = stream.aiter_lines()
        assert await anext(lines) == "event: progress"
        assert json.loads((await anext(lines)).removeprefix("data: "))["projection"] == "sessions"


async def test_a_rebuild_outlives_the_client_that_began_it(
    settings: Settings, nc: Client, db: Connection, processes: Processes
) -> None:
    async with engine(settings), served(settings, processes) as (_, client):
        last = await Line(nc).created("S1")
        await Model(db).passed("S1", last)
        # It cannot be switched as long as somebody holds the live leases.
        async with db.transaction():
            await db.execute("select from foldline.lease where follower = 'sessions' for update")
            await watch_one_reading(client)
            assert (await client.get(f"{SESSIONS}/rebuild")).json()["running"] is True

        async def live() -> bool:
            newest = (await client.get(SESSIONS)).json()["generations"][0]
            return (newest["number"], newest["role"]) == (2, "live")

        await wait_until(live, 60)


async def test_nothing_is_left_of_an_api_that_was_killed(
    settings: Settings, nc: Client, db: Connection, processes: Processes
) -> None:
    async with engine(settings):
        last = await Line(nc).created("S1")
        await Model(db).passed("S1", last)
        async with db.transaction():
            await db.execute("select from foldline.lease where follower = 'sessions' for update")
            async with served(settings, processes) as (process, client):
                await watch_one_reading(client)
                workers = await wait_until(lambda: children(process.pid))
                process.kill()
                await wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 30)


@pytest.mark.parametrize(
    "asked",
    [
        "POST /pause",
        "POST /rebuild",
        "GET /rebuild",
        "POST /put-back",
        "POST /verify",
        "DELETE /generations/old",
        "GET /parked",
    ],
)
async def test_a_database_no_consumer_has_run_on(bare: Settings, asked: str) -> None:
    method, path = asked.split()
    async with served_surface(bare, raise_app_exceptions=False) as client:
        body = {"reason": "moving"} if path == "/pause" else None
        answer = await client.request(method, f"{SESSIONS}{path}", json=body)
    assert answer.status_code == 503, answer.text
    assert (
        answer.json()["details"] == "the read model is not set up yet: no consumer has run on this database"
    )


@pytest.fixture
def bare(settings: Settings, shared_nats: NatsServer, shared_postgres: PostgresServer) -> Iterator[Settings]:
    """A database that holds nothing at all."""
    name = sql.Identifier(BARE)
    with psycopg.connect(shared_postgres.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(name))
        yield line_settings(shared_nats, address_of(shared_postgres, BARE))
        admin.execute(sql.SQL("drop database {} with (force)").format(name))


def children(pid: int) -> list[int]:
    """The processes a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
