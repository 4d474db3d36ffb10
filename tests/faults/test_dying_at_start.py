"""A server that dies under a starting consumer costs time, not the consumer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from foldline.embedded.nats import NatsServer
from foldline.embedded.postgres import PostgresServer
from foldline.settings import Settings
from runtime.database.connections import connect
from tests.support.processes import Processes, ProcessUnderTest
from tests.support.settings import line_settings
from tests.support.waiting import wait_until


@asynccontextmanager
async def _held_up(settings: Settings, processes: Processes) -> AsyncIterator[ProcessUnderTest]:
    """A consumer that has connected to both servers, and waits for the lock under which tables are made."""
    holder = await connect(settings, name="test-holder")
    await holder.execute("select pg_advisory_lock(1179601988)")
    consumer = processes.consumer(settings)

    async def waits() -> bool:
        waiting = "select 1 from pg_locks where locktype = 'advisory' and not granted"
        return await (await holder.execute(waiting)).fetchone() is not None

    await wait_until(waits, 30, what="the consumer waits for the lock")
    yield consumer
    await holder.close()


async def test_postgresql_dies_under_a_starting_consumer(
    own_nats: NatsServer, own_postgres: PostgresServer, processes: Processes
) -> None:
    settings = line_settings(own_nats, own_postgres.dsn)
    async with _held_up(settings, processes) as consumer:
        own_postgres.kill()
        own_postgres.start()
    consumer.wait_for("follows the line")
    assert "starting again" in consumer.text()
    assert consumer.stop() == 0


async def test_nats_dies_under_a_starting_consumer(
    own_nats: NatsServer, own_postgres: PostgresServer, processes: Processes
) -> None:
    settings = line_settings(own_nats, own_postgres.dsn)
    async with _held_up(settings, processes) as consumer:
        own_nats.kill()
    consumer.wait_for("starting again")
    own_nats.start()
    consumer.wait_for("follows the line")
    assert consumer.stop() == 0
