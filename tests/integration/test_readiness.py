"""Checks of NATS and PostgreSQL against real servers in bad states, and the memory of what they answered."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from nats.aio.client import Client
from psycopg_pool import AsyncConnectionPool

from foldline.embedded.nats import NatsServer
from foldline.embedded.postgres import PostgresServer
from foldline.settings import Settings
from line.connection import close_bus, connect_bus
from line.health import nats_check, streams_check, write_check
from line.jetstream import request_api
from line.streams import prepare_line
from runtime.compat.nats_client import BusClient
from runtime.database.connections import Connection, connect, pool
from runtime.database.health import writable_check
from runtime.readiness import READS, WRITES, Check, Need, Readiness
from schemas.jobs.streams import JOBS
from schemas.registry import DECLARED
from schemas.sessions.streams import SESSIONS
from tests.support.cluster import Cluster
from tests.support.line import Line
from tests.support.settings import line_settings
from tests.support.small_disk import fill
from tests.support.waiting import wait_until

STREAMS = DECLARED.streams_of(())


@asynccontextmanager
async def bus_of(settings: Settings) -> AsyncIterator[BusClient]:
    nc = await connect_bus(settings, name="test")
    try:
        await prepare_line(nc, settings)
        yield nc
    finally:
        await close_bus(nc)


@contextmanager
def stopped(*servers: NatsServer) -> Iterator[None]:
    """Servers that are there and do nothing."""
    pids = [server.process.pid for server in servers if server.process is not None]
    assert len(pids) == len(servers)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def asked(check: Check) -> tuple[str | None, float]:
    """Ask as a process does; answers what is wrong, and how long it took."""
    begun = time.monotonic()
    report = await Readiness([Need("it", check, frozenset([WRITES]))]).ask()
    trouble = report.found["it"]
    return trouble.problem if trouble else None, time.monotonic() - begun


async def becomes(check: Check, *words: str) -> str:
    """Wait until the check says these words."""
    told: str | None = None

    async def says() -> bool:
        nonlocal told
        told, took = await asked(check)
        assert took < 4, "a check is bounded"
        return told is not None and all(word in told for word in words)

    await wait_until(says, 30, what=f"{words}; last: {told}")
    assert told is not None
    return told


async def well(check: Check) -> bool:
    return (await asked(check))[0] is None


async def test_a_write_is_tried_and_nothing_is_stored(nc: Client, settings: Settings) -> None:
    for _ in range(3):
        assert await well(write_check(nc, STREAMS, "local"))
        assert await well(nats_check(nc, settings))
        assert await well(streams_check(nc, STREAMS))
    for stream in STREAMS:
        assert await Line(nc).stored(stream.name) == []
        state = (await request_api(nc, f"STREAM.INFO.{stream.name}"))["state"]
        assert (state["messages"], state["last_seq"]) == (0, 0)


async def test_streams_that_take_nothing(own_nats: NatsServer) -> None:
    settings = line_settings(own_nats)
    async with bus_of(settings) as nc:
        config = (await request_api(nc, "STREAM.INFO.SESSIONS"))["config"]
        assert "error" not in await request_api(nc, "STREAM.UPDATE.SESSIONS", {**config, "sealed": True})
        await request_api(nc, "STREAM.DELETE.JOBS")
        check = write_check(nc, STREAMS, "local")
        told = await becomes(
            check, "stream SESSIONS: invalid operation on sealed stream", "stream JOBS does not"
        )
        assert "HEARTBEATS" not in told
        assert await becomes(streams_check(nc, [SESSIONS, JOBS])) == "stream JOBS: stream not found"
        assert await well(nats_check(nc, settings))


async def test_a_server_that_is_stopped_silent_or_gone(own_nats: NatsServer) -> None:
    settings = line_settings(own_nats)
    async with bus_of(settings) as nc:
        checks = write_check(nc, STREAMS, "local"), nats_check(nc, settings), streams_check(nc, STREAMS)
        with stopped(own_nats):
            for check in checks:
                await becomes(check)
        for check in checks:
            await wait_until(lambda check=check: well(check))
        own_nats.kill()
        for check in checks:
            await becomes(check, "not connected to NATS")
        await asyncio.to_thread(own_nats.start)
        for check in checks:
            await wait_until(lambda check=check: well(check))


@pytest.mark.parametrize("monitor", [None, "http://127.0.0.1:9"], ids=["unknown", "silent"])
async def test_without_a_monitoring_port_jetstream_is_asked(
    own_nats: NatsServer, monitor: str | None
) -> None:
    settings = line_settings(own_nats, nats_monitor_url=monitor, allow_unsynced=True)
    async with bus_of(settings) as nc:
        check = nats_check(nc, settings)
        assert await well(check)
        with stopped(own_nats):
            await becomes(check, "JetStream does not answer")


async def test_a_full_disk_of_nats(small_disk: Path, tmp_path: Path) -> None:
    server = NatsServer(small_disk / "nats", log=tmp_path / "nats.log")
    server.start()
    try:
        settings = line_settings(server)
        async with bus_of(settings) as nc:
            writes, health = write_check(nc, STREAMS, "local"), nats_check(nc, settings)
            assert await well(writes)
            filler = fill(small_disk)
            told = await becomes(writes, "the disk of NATS may be full")
            assert told.count("the disk of NATS may be full") == len(STREAMS)
            filler.unlink()
            await wait_until(lambda: well(writes))  # nobody had written anything meanwhile
            filler = fill(small_disk)
            # The first real write that fails ends the stream until the server is started again.
            with pytest.raises(TimeoutError):
                await nc.request("ev.local.job.J1.started", b" " * 200_000, timeout=1)
            filler.unlink()
            await becomes(health, "JOBS", "no space left on device")
    finally:
        server.kill()


async def test_a_cluster_without_a_majority(cluster: Cluster) -> None:
    settings = Settings(_env_file=None, connect_timeout=60, **cluster.changes())
    async with bus_of(settings) as nc:
        writes, health = write_check(nc, STREAMS, "local"), nats_check(nc, settings)
        await wait_until(lambda: well(writes), 30)
        await wait_until(lambda: well(health), 30)
        leader = await wait_until(lambda: cluster.leader(nc, "SESSIONS"))
        first, second = (server for server in cluster.servers if server is not leader)
        with stopped(first):
            await wait_until(lambda: well(health), 30)
            with stopped(second):
                await becomes(health)
        await wait_until(lambda: well(health), 60)
        await wait_until(lambda: well(writes), 60)


@asynccontextmanager
async def pool_of(dsn: str) -> AsyncIterator[AsyncConnectionPool[Connection]]:
    async with pool(Settings(_env_file=None, database_url=dsn), name="test") as opened:
        yield opened


async def test_postgres_that_takes_no_writes(database: str) -> None:
    settings = Settings(_env_file=None, database_url=database)
    async with pool_of(database) as conns, await connect(settings, name="test") as db:
        check = writable_check(conns)
        assert await well(check)
        name = (await (await db.execute("select current_database()")).fetchone() or [""])[0]
        await db.execute(f'alter database "{name}" set default_transaction_read_only = on')
    async with pool_of(database) as conns:
        await becomes(writable_check(conns), "it is read-only")


async def test_a_postgres_that_is_stopped_or_gone(own_postgres: PostgresServer) -> None:
    async with pool_of(own_postgres.dsn) as conns:
        check = writable_check(conns)
        assert await well(check)
        await asyncio.to_thread(own_postgres.stop)
        await becomes(check)
        await asyncio.to_thread(own_postgres.start, 60)
        await wait_until(lambda: well(check), 40)


async def test_a_full_disk_of_postgres(small_disk: Path, tmp_path: Path) -> None:
    server = PostgresServer(small_disk / "pg", log=tmp_path / "postgres.log")
    server.start()
    try:
        async with pool_of(server.dsn) as conns:
            check = writable_check(conns)
            assert await well(check)
            filler = fill(small_disk)
            await becomes(check, "No space left on device")
            filler.unlink()
            await wait_until(lambda: well(check))
    finally:
        server.stop()


class Dependency:
    """A check that answers what it is told, when it is told to."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self.asked = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def check(self) -> str | None:
        self.asked += 1
        await self.go_on.wait()
        return self.problem


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let what was answered be old."""

    def forget() -> None:
        monkeypatch.setattr("runtime.readiness._FRESH_S", -1.0)

    return forget


async def test_many_probes_ask_once_and_a_moment_later_again(later: Callable[[], None]) -> None:
    one, note = Dependency(), Dependency()
    readiness = Readiness([Need("one", one.check, frozenset([READS, WRITES])), Need("note", note.check)])
    one.go_on.clear()
    probes = [asyncio.create_task(readiness.ask()) for _ in range(20)]
    await wait_until(lambda: one.asked)
    one.go_on.set()
    for probe in probes:
        assert (await probe).purposes == {READS: True, WRITES: True}
    one.problem = note.problem = "broken"
    assert (await readiness.ask()).troubles == {}
    assert one.asked == 1
    later()
    report = await readiness.ask()
    assert (report.purposes, report.notes) == ({READS: False, WRITES: False}, {"note": "broken"})
    since = report.troubles["one"].since
    one.problem = "broken in another way"
    trouble = (await readiness.ask()).troubles["one"]
    assert trouble == ("broken in another way", since)
    one.problem = None
    assert (await readiness.ask()).troubles == {}


async def test_only_what_depends_on_it_fails() -> None:
    away, there = Dependency(), Dependency()
    away.problem = "away"
    readiness = Readiness(
        [Need("nats", away.check, frozenset([WRITES])), Need("database", there.check, frozenset([READS]))]
    )
    report = await readiness.ask()
    assert report.purposes == {READS: True, WRITES: False}
    assert list(report.troubles) == ["nats"]


async def test_a_check_that_hangs_or_raises_is_told(
    monkeypatch: pytest.MonkeyPatch, later: Callable[[], None]
) -> None:
    monkeypatch.setattr("runtime.readiness._BOUND_S", 0.1)
    later()
    hangs = Dependency()
    hangs.go_on.clear()

    async def raises() -> str | None:
        raise KeyError("secret")

    readiness = Readiness(
        [Need("hangs", hangs.check, frozenset([READS])), Need("raises", raises, frozenset([WRITES]))]
    )
    troubles = (await readiness.ask()).troubles
    assert {name: trouble.problem for name, trouble in troubles.items()} == {
        "hangs": "no answer within 0.1 s",
        "raises": "the check failed; the log says why",
    }
    hangs.go_on.set()
    assert list((await readiness.ask()).troubles) == ["raises"]


async def test_silence_says_nothing_where_another_check_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.readiness._BOUND_S", 0.1)

    async def silent() -> str | None:
        await asyncio.Event().wait()
        return None

    writes = frozenset([WRITES])
    readiness = Readiness([Need("line", silent, writes, silence_is_well=True), Need("nats", silent, writes)])
    assert list((await readiness.ask()).troubles) == ["nats"]
