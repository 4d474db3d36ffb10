"""`foldline api` as a process of its own, against a real NATS and a real PostgreSQL."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from foldline.embedded.nats import NatsServer
from foldline.embedded.ports import pick_port
from foldline.settings import Settings
from runtime.database.connections import Connection
from tests.support.http import http_client, sync_http_client
from tests.support.processes import API, ProcessUnderTest
from tests.support.read_api import FoldedLine, folding_into, hold_leases
from tests.support.settings import line_settings
from tests.support.waiting import wait_until, wait_until_sync


@pytest.fixture(scope="module")
async def line(module_database: str) -> AsyncIterator[FoldedLine]:
    async with folding_into(module_database) as opened:
        yield opened


class Api:
    """One API process."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.port = settings.api_port
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = ProcessUnderTest("api", API, settings, folder, forked=False)

    def until_healthy(self) -> None:
        with sync_http_client(self.url) as client:

            def healthy() -> bool:
                assert self.process.running, self.process.text()
                try:
                    return client.get("/health").status_code == 200
                except httpx.HTTPError:
                    return False

            wait_until_sync(healthy, 60, what="the API is healthy")

    def raw(self, request: bytes) -> bytes:
        """The first line of the answer to bytes no client library would send."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            return connection.makefile("rb").readline()


@contextmanager
def api_process(folder: Path, settings: Settings) -> Iterator[Api]:
    api = Api(settings, folder)
    try:
        yield api
    finally:
        api.process.kill()


@pytest.fixture(scope="module")
def served(line_server: NatsServer, module_database: str) -> Callable[..., Settings]:
    """Settings of an API on the module's line and database, with a port of its own."""

    def made(**changes: Any) -> Settings:
        return line_settings(
            line_server,
            module_database,
            **{"api_port": pick_port("127.0.0.1"), "connect_timeout": 60, **changes},
        )

    return made


@pytest.fixture(scope="module")
def api(
    line: FoldedLine, served: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    with api_process(tmp_path_factory.mktemp("api"), served()) as started:
        started.until_healthy()
        yield started


async def test_ready_asks_nats_postgres_and_leases(api: Api, line: FoldedLine) -> None:
    async with http_client(api.url) as client:
        response = await client.get("/ready")
        told = response.json()
        assert (response.status_code, told["status"]) == (200, "degraded")
        assert (told["reads"], told["writes"]) == (False, True)
        assert set(told["since"]) == {"projection sessions", "projection jobs"}
        assert told["checks"] == {
            "nats": "ok",
            "event stream": "ok",
            "line": "ok",
            "database": "ok",
            "projection sessions": "0 of 16 partitions have a consumer",
            "projection jobs": "0 of 16 partitions have a consumer",
        }
        assert (await client.get("/ready?for=reads")).status_code == 503
        assert (await client.get("/ready?for=writes")).status_code == 200
        await hold_leases(line.conn)

        async def ready() -> bool:
            return (await client.get("/ready?for=reads,writes")).status_code == 200

        await wait_until(ready)


async def test_a_write_is_durable_before_it_is_readable(api: Api) -> None:
    async with http_client(api.url) as client:
        created = await client.post(
            "/api/sessions", json={"product": "App", "version": "1"}, headers={"Foldline-Wait": "0"}
        )
        assert created.status_code == 201
        session_id = created.json()["id"]
        # Nobody folds here: the read waits for the position and then says so.
        response = await client.get(
            f"/api/sessions/{session_id}",
            headers={"Foldline-Min-Position": created.headers["foldline-position"], "Foldline-Wait": "100"},
        )
        assert response.status_code == 503


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/api/sessions/%00", b"404"),
        (b"/api/sessions/%FF%FE", b"404"),
        (b"/api/sessions/%ED%A0%80/events", b"404"),
        (b"/api/sessions/a%2Fb", b"404"),
        (b"/api/sessions/..%2F..", b"404"),
        (b"/api/sessions/", b"404"),
        (b"/api/sessions", b"405"),
        (b"/api/sessions/S/events?limit=%FF", b"400"),
        (b"/api/sessions/S/events?cursor=%ED%A0%80", b"400"),
        (b"/api/sessions/S/events?" + b"a=1&" * 2000, b"400"),
        (b"/api/sessions/S?site=%ED%A0%80", b"404"),
        (b"/api/data/sessions?product=%ED%A0%80&limit=1", b"200"),
        (b"/api/data/sessions?%00=1", b"400"),
        (b"/api/data/sessions?;;;===&&", b"400"),
        (b"/v1/rejected?reason=%C3%28", b"200"),
        (b"/nothing", b"404"),
    ],
)
def test_no_path_or_query_is_a_server_error(api: Api, target: bytes, status: bytes) -> None:
    answer = api.raw(b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % target)
    assert answer.split()[1] == status


def exporting(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "select count(*) from pg_stat_activity"
            " where application_name = 'foldline-export' and datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])


async def big_line(line: FoldedLine) -> None:
    """About 200 MB to export."""
    await line.conn.execute(
        "insert into sessions.session"
        " select 0, 'local', 'big' || n, n, n, n, now(), now(), null, false, null, null, false, false,"
        " null, null, 0, 0, 0,"
        " json_build_object('product', 'Big', 'filler', repeat(md5(n::text), 3000))"
        " from generate_series(1, 2000) n on conflict do nothing"
    )


async def test_export_is_streamed_and_let_go(api: Api, line: FoldedLine, module_database: str) -> None:
    await big_line(line)
    before = _resident(api.process.pid)
    async with http_client(api.url, timeout=60) as client:
        size = 0
        async with client.stream("GET", "/api/data/sessions") as response:
            assert response.status_code == 200
            async for chunk in response.aiter_bytes():
                size += len(chunk)
        assert size > 150 << 20
        assert _resident(api.process.pid) - before < 60 << 20
        async with client.stream("GET", "/api/data/sessions") as response:
            await anext(response.aiter_bytes())
            assert exporting(module_database) == 1
        # The client is gone, so is the cursor.
        async with asyncio.timeout(20):
            while exporting(module_database):
                await client.get("/health")


async def test_a_session_of_any_size_is_streamed(api: Api, line: FoldedLine) -> None:
    """Its document has 200 times what is stored: a snapshot of the whole state for every patch."""
    await line.put("created", "long", {"product": "Long", "version": "1"})
    await line.put("state", "long", {"filler": "x" * 1_000_000})
    await line.conn.execute(
        "insert into sessions.patch"
        " select p.part, p.site, p.id, p.seq + n, p.at, false, json_build_object('n', n)"
        " from sessions.patch p, generate_series(1, 200) n where p.id = 'long' and not under"
    )
    before = _resident(api.process.pid)
    async with http_client(api.url, timeout=60) as client:
        for path in ("/api/sessions/long", "/api/data/sessions?limit=1&product=Long"):
            size, end = 0, b""
            async with client.stream("GET", path) as response:
                assert response.status_code == 200
                async for chunk in response.aiter_bytes():
                    size += len(chunk)
                    end = chunk[-20:] if len(chunk) > 20 else end + chunk
            assert size > 200_000_000
            assert b'"n":200}}]}' in end
            assert _resident(api.process.pid) - before < 60 << 20


async def test_export_cut_short_does_not_look_whole(api: Api, line: FoldedLine, module_database: str) -> None:
    await big_line(line)
    async with http_client(api.url, timeout=60) as client:
        async with client.stream("GET", "/api/data/sessions") as response:
            chunks = response.aiter_raw()
            await anext(chunks)
            assert await _end_exports(line.conn) == 1
            with pytest.raises(httpx.TransportError):
                async for _ in chunks:
                    pass
        assert (await client.get("/api/data/sessions?limit=1")).status_code == 200


async def _end_exports(conn: Connection) -> int:
    """End the connections that an export reads from; return how many."""
    cursor = await conn.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'foldline-export' and datname = current_database()"
    )
    return len(await cursor.fetchall())


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_sigterm_stops_in_good_order(
    served: Callable[..., Settings], line: FoldedLine, tmp_path: Path
) -> None:
    with api_process(tmp_path, served()) as api:
        api.until_healthy()
        assert api.process.stop(15) == 0
        assert "Traceback" not in api.process.text()


def test_sigterm_while_connecting(served: Callable[..., Settings], tmp_path: Path) -> None:
    nowhere = served(nats_url=f"nats://127.0.0.1:{pick_port('127.0.0.1')}")
    with api_process(tmp_path, nowhere) as api:
        api.process.wait_for("connecting to NATS", 60)
        assert api.process.stop(15) == 0
        assert "Traceback" not in api.process.text()


@pytest.mark.parametrize("wrong", ["nats_url", "database_url", "api_port"])
def test_what_an_operator_can_mend_is_one_line(
    served: Callable[..., Settings], tmp_path: Path, wrong: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        values = {
            "nats_url": f"nats://127.0.0.1:{pick_port('127.0.0.1')}",
            "database_url": f"postgresql://x@127.0.0.1:{pick_port('127.0.0.1')}/x",
            "api_port": taken.getsockname()[1],
        }
        with api_process(tmp_path, served(**{"connect_timeout": 1, wrong: values[wrong]})) as api:
            assert api.process.wait() == 1
            log = api.process.text()
    assert "Traceback" not in log
    assert f"FOLDLINE_{wrong.upper()}" in log.splitlines()[-1]
