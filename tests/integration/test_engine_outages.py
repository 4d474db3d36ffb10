"""Consumers while a server is away: they end when asked to, and leave partitions to who can fold them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from foldline.embedded.nats import NatsServer
from foldline.embedded.postgres import PostgresServer
from foldline.settings import Settings
from line.connection import connect_bus
from runtime.database.connections import Connection, connect
from tests.support.engine import engine
from tests.support.line import Line, Model
from tests.support.processes import Processes, ProcessUnderTest
from tests.support.settings import PARTITIONS, line_settings
from tests.support.waiting import wait_until

STOPPING = 10.0  # seconds: the batch in hand and the leases have 5 s each, and hardly ever need them


class Stranger:
    """A server that is none of ours: it lets clients in and says nothing, or ends the connection."""

    def __init__(self, *, silent: bool) -> None:
        self.visitors = 0
        self.port = 0
        self._silent = silent
        self._inside: list[asyncio.StreamWriter] = []

    async def open(self) -> asyncio.Server:
        server = await asyncio.start_server(self._enter, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _enter(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visitors += 1
        self._inside.append(writer)
        if not self._silent:
            writer.close()

    def leave(self) -> None:
        for writer in self._inside:
            writer.close()


@pytest.fixture(params=["refusing", "silent"])
async def stranger(request: pytest.FixtureRequest) -> AsyncIterator[Stranger]:
    made = Stranger(silent=request.param == "silent")
    async with await made.open():
        yield made
        made.leave()


@pytest.mark.parametrize("away", ["nats", "postgres"])
async def test_a_consumer_ends_while_it_still_waits_for_a_server(
    settings: Settings, processes: Processes, stranger: Stranger, away: str
) -> None:
    if away == "nats":
        changes = {"nats_url": f"nats://127.0.0.1:{stranger.port}"}
    else:
        changes = {"database_url": f"postgresql://foldline@127.0.0.1:{stranger.port}/foldline"}
    consumer = processes.consumer(settings.model_copy(update=changes))
    await wait_until(lambda: stranger.visitors or not consumer.running, what="it tries to connect")
    assert await stopped(consumer) == 0


async def stopped(consumer: ProcessUnderTest) -> int:
    """SIGTERM, the exit code, and nothing but log lines."""
    code = await asyncio.to_thread(consumer.stop, STOPPING)
    assert "Traceback" not in consumer.text()
    return code


async def test_a_consumer_ends_while_nats_is_down(
    own_nats: NatsServer, database: str, processes: Processes
) -> None:
    consumer = processes.consumer(line_settings(own_nats, database))
    await asyncio.to_thread(consumer.wait_for, "follows the line")
    own_nats.kill()
    await asyncio.to_thread(consumer.wait_for, "nats: disconnected")
    assert await stopped(consumer) == 0


async def test_a_consumer_ends_while_postgresql_is_down(
    settings: Settings, own_postgres: PostgresServer, processes: Processes
) -> None:
    own = settings.model_copy(update={"database_url": own_postgres.dsn})
    consumer = processes.consumer(own)
    await asyncio.to_thread(consumer.wait_for, "holds [")
    own_postgres.kill()
    await asyncio.to_thread(consumer.wait_for, "OperationalError")
    assert await stopped(consumer) == 0


async def owners(db: Connection) -> dict[str, int]:
    """How many partitions of each follower have an owner."""
    cursor = await db.execute("select follower, count(owner) from foldline.lease group by follower")
    return dict(await cursor.fetchall())


async def test_who_is_cut_off_from_nats_gives_its_partitions_up(own_nats: NatsServer, database: str) -> None:
    own = line_settings(own_nats, database, lease_ttl=1.0)
    names = ("sessions", "jobs", "liveness")
    all_held, none_held = dict.fromkeys(names, PARTITIONS), dict.fromkeys(names, 0)
    async with engine(own) as followers, await connect(own, name="test") as db:
        model = Model(db)

        async def owned_as(expected: dict[str, int]) -> None:
            async def so() -> bool:
                return await owners(db) == expected

            await wait_until(so, what=f"{expected}")

        async def one_fact() -> None:
            nc = await connect_bus(own, name="test")
            sequence = await Line(nc).put("event", "S1", {"name": "n"})
            await model.passed("S1", sequence)
            await nc.close()

        await owned_as(all_held)
        await one_fact()
        own_nats.kill()
        await owned_as(none_held)
        cursor = await db.execute("select count(*) from foldline.replica")
        assert await cursor.fetchone() == (0,)  # nobody counts it when shares are computed
        assert [follower.leases.held for follower in followers] == [{}, {}, {}]
        own_nats.start()
        await owned_as(all_held)
        await one_fact()
        assert await model.events("S1") == ["n", "n"]
