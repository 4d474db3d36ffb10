"""A stream that was replaced, or rolled back, behind the checkpoints: refused, told, and accepted."""

import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nats.aio.client import Client

from consumers.control.accept_line import accept_line
from consumers.control.rebuild import rebuild
from consumers.control.verify import verify
from consumers.engine.follower import Follower
from foldline.embedded.nats import NatsServer
from foldline.settings import Settings
from line.connection import close_bus, connect_bus
from line.identity import changed_streams, check_identity
from line.jetstream import request_api
from line.streams import prepare_line
from projections.catalogue import PROJECTIONS, projection_named
from runtime.compat.nats_client import BusClient
from runtime.database.connections import connect
from runtime.problems import Problem
from schemas.subjects import partition_of
from tests.support.engine import engine
from tests.support.forked import run_forked
from tests.support.http import sync_http_client
from tests.support.line import Line, Model
from tests.support.processes import Processes
from tests.support.served_surface import served_surface
from tests.support.settings import PARTITIONS, line_settings
from tests.support.up_run import UpRun
from tests.support.waiting import wait_until, wait_until_sync

FOLDLINE = (sys.executable, "-m", "foldline")
GOOD = projection_named("sessions")


class Scene:
    """A line of its own that was folded to its end, and can be put back to where it was before."""

    def __init__(self, server: NatsServer, settings: Settings, folder: Path) -> None:
        self.server = server
        self.settings = settings
        self._copy = folder / "copy"

    def keep(self) -> None:
        """A backup of the line, as it is now."""
        self.server.stop()
        shutil.copytree(self.server.directory, self._copy)
        self.server.start()

    def put_back(self) -> None:
        """NATS is restored from it."""
        self.server.stop()
        shutil.rmtree(self.server.directory)
        shutil.copytree(self._copy, self.server.directory)
        self.server.start()


async def fill(line: Line, *sessions: str) -> int:
    last = 0
    for session in sessions:
        await line.created(session)
        await line.put("heartbeat", session)
        last = await line.put("event", session, {"name": f"{session} was here"})
    return last


async def folded(settings: Settings, line: Line, model: Model) -> None:
    """A consumer's life: the line is remembered, and folded to its end."""
    async with engine(settings):
        async with await connect(settings, name="test-identity") as conn:
            await check_identity(line.nc, conn, closely=True)
        await model.caught_up(line, "sessions", "liveness")


@pytest.fixture
async def scene(own_nats: NatsServer, database: str, open_folder: Path) -> Scene:
    settings = line_settings(own_nats, database)
    scene = Scene(own_nats, settings, open_folder)
    async with connected(scene) as nc, await connect(settings, name="test") as db:
        await prepare_line(nc, settings)
        line, model = Line(nc), Model(db)
        await fill(line, "A", "B", "C")
        await folded(settings, line, model)
        scene.keep()
        await wait_until(lambda: _connected(nc), 20)
        await fill(line, "D", "E")
        await folded(settings, line, model)
    return scene


async def _connected(nc: Client) -> bool:
    return nc.is_connected and "error" not in await request_api(nc, "STREAM.INFO.SESSIONS")


@asynccontextmanager
async def connected(scene: Scene) -> AsyncIterator[BusClient]:
    """A connection to the scene's line."""
    nc = await connect_bus(scene.settings, name="test")
    try:
        yield nc
    finally:
        await close_bus(nc)


async def replaced(scene: Scene) -> str:
    async with connected(scene) as nc:
        await request_api(nc, "STREAM.DELETE.SESSIONS")
        await prepare_line(nc, scene.settings)
        await fill(Line(nc), *(f"N{n}" for n in range(9)))  # further than before
    return "stream SESSIONS is another one: it was created at "


async def rolled_back(scene: Scene) -> str:
    scene.put_back()
    return "stream SESSIONS was rolled back: it ends at sequence 6, and "


async def grown_since(scene: Scene) -> str:
    scene.put_back()
    async with connected(scene) as nc:
        await fill(Line(nc), *(f"N{n}" for n in range(9)))
    return "was rolled back and has grown since: at sequence "


WAYS = [replaced, rolled_back, grown_since]


@pytest.mark.parametrize("spoil", WAYS)
async def test_refused_at_start_and_equal_to_the_line_once_accepted(
    scene: Scene, processes: Processes, spoil: Callable[[Scene], Awaitable[str]]
) -> None:
    settings = scene.settings
    told = await spoil(scene)
    consumer = processes.consumer(settings)
    wait_until_sync(lambda: not consumer.running, 40, what="the consumer refuses")
    last_line = consumer.text().strip().splitlines()[-1]
    assert last_line.startswith("foldline: stream ")
    assert told in last_line
    assert "`foldline accept-line --yes`" in last_line
    async with connected(scene) as nc, await connect(settings, name="test") as db:
        if spoil is grown_since:  # as a checkpoint moved by hand would: verify has to find that
            assert (await verify(GOOD, settings, nc)).total > 0
        else:
            with pytest.raises(Problem, match="accept-line"):
                await rebuild(GOOD, settings, nc)
            with pytest.raises(Problem, match="accept-line"):
                await verify(GOOD, settings, nc)
        await db.execute(
            "insert into foldline.skip (projection, stream, seq, reason)"
            " values ('sessions', 'SESSIONS', 1, '')"
        )
        ask = processes.start("ask", ("accept-line",), settings)
        wait_until_sync(lambda: not ask.running, 40)
        assert "say --yes" in ask.text()
        assert told in ask.text()
        yes = processes.start("yes", ("accept-line", "--yes"), settings)
        wait_until_sync(lambda: not yes.running, 90)
        assert "the line is accepted" in yes.text(), yes.text()
        assert "1 decisions to skip" in yes.text()
        line, model = Line(nc), Model(db)
        after = await fill(line, "A2")
        again = processes.consumer(settings)
        again.wait_for("follows the line", 40)
        await model.passed("A2", after)
        for stream in ("SESSIONS", "HEARTBEATS"):
            for fact in await line.stored(stream):
                session = fact.session_id
                await model.passed(session, fact.seq, stream)
                await model.passed(session, fact.seq, stream, follower="liveness")
        reference = await line.reference()
        sessions = {fact.session_id for fact in await line.stored()}
        for session in sessions:
            await model.equals(reference, session)
        cursor = await db.execute("select id from sessions.session")
        assert {row[0] for row in await cursor.fetchall()} == sessions
        assert (await verify(GOOD, settings, nc)).differences == []
        assert await changed_streams(nc, db, closely=True) == []
        with pytest.raises(Problem, match="nothing to accept"):
            await accept_line(PROJECTIONS, settings, nc)


async def test_a_running_consumer_stops_reading_and_the_api_says_why(scene: Scene) -> None:
    settings = scene.settings
    async with (
        served_surface(settings) as api,
        engine(settings) as (projector, *_),
    ):
        await wait_until(lambda: _held(projector), 20)
        async with connected(scene) as nc, await connect(settings, name="test") as db:
            line, model = Line(nc), Model(db)
            await model.passed("D2", await fill(line, "D2"))
            scene.put_back()
            failure = await wait_until(lambda: _failure(projector), 30)
            assert "stream SESSIONS was rolled back" in failure
            ready = await api.get("/ready?for=writes")
            assert ready.status_code == 503
            assert "was rolled back" in ready.json()["checks"]["line"]
            assert (await api.get("/api/sessions/D")).status_code == 200  # reads go on
            # Beyond the old end: what is stored there is not folded onto what was there before.
            await wait_until(lambda: _connected(nc), 20)
            await fill(line, *(f"N{n}" for n in range(9)))
            failure = await wait_until(lambda: _failure(projector, "has grown since"), 30)
            assert "OtherLine" in failure
            assert await model.session("N1") is None
            assert await model.session("N8") is None
            # It is accepted under the running consumer, which then follows.
            await accept_line(PROJECTIONS, settings, nc)
            last = await fill(line, "Z")
            await model.passed("Z", last)
            await model.equals(await line.reference(), "N8")
            assert await model.session("D") is None
            assert (await verify(GOOD, settings, nc)).differences == []
            assert (await api.get("/ready")).status_code == 200


async def _held(follower: Follower) -> bool:
    return len(follower.leases.held) == PARTITIONS


async def _failure(follower: Follower, words: str = "") -> str | None:
    failure = follower.failure
    return failure if failure and words in failure else None


async def test_what_changes_nothing_is_not_refused(scene: Scene) -> None:
    """Purges, overwritten heartbeats, a swap, an older database: none of it makes another line."""
    settings = scene.settings
    async with connected(scene) as nc, await connect(settings, name="test") as db:
        line, model = Line(nc), Model(db)
        part = partition_of("E", PARTITIONS)
        await request_api(nc, "STREAM.PURGE.SESSIONS", {"filter": f"ev.{part}.local.session.E.>"})
        for session in ("A", "B", "C", "D", "E"):
            await line.put("heartbeat", session)
        assert await changed_streams(nc, db, closely=True) == []
        await rebuild(GOOD, settings, nc, accept_loss=True)
        assert await changed_streams(nc, db, closely=True) == []
        await rebuild(GOOD, settings, nc, put_back=True)
        await folded(settings, line, model)
        await db.execute("update foldline.lease set seqs = '{}', stored_at = null where part < 8")
        assert await changed_streams(nc, db, closely=True) == []
        await db.execute("delete from foldline.stream")
        await check_identity(nc, db, closely=True)
        cursor = await db.execute("select count(*) from foldline.stream")
        assert await cursor.fetchone() == (3,)


def test_an_embedded_line_is_accepted_with_nothing_but_its_servers_running(open_folder: Path) -> None:
    data = open_folder / "data"

    def up(*flags: str) -> UpRun:
        return UpRun(data, command=[*FOLDLINE, "up", "--data-dir", str(data), "--json", *flags])

    def run(*arguments: str) -> str:
        env = os.environ | {"FOLDLINE_DATA_DIR": str(data)}
        done = run_forked(arguments, env=env, cwd=open_folder, timeout=90)
        return (done.stdout + done.stderr).decode()

    with up() as first:
        first.ready()
        run("publish", "ev.local.session.S1.event", '{"name":"lost"}')
        wait_until_sync(lambda: not any(lags(run("status", "--json"))), 20)
        first.stop()
    shutil.rmtree(data / "nats" / "jetstream")
    with up() as refused:
        code, said = refused.end()
        assert code == 1
        assert "stream SESSIONS is another one" in said, said
    with up("--servers-only") as servers:
        servers.ready()
        assert "the line is accepted" in run("accept-line", "--yes")
        servers.stop()
    with up() as again:
        stack = again.ready()
        with sync_http_client(stack["api_url"]) as client:
            assert client.get("/api/sessions/S1").status_code == 404
            run("publish", "ev.local.session.S2.event", '{"name":"kept"}')
            wait_until_sync(lambda: client.get("/api/sessions/S2").status_code == 200)
        assert again.stop()[0] == 0


def lags(status: str) -> list[int]:
    return [sum(follower["lag_events"].values()) for follower in json.loads(status)["followers"]]
