"""Consumers killed and stopped at any point, most of them in the middle of a transaction."""

import asyncio
import random
import signal

import pytest

from foldline.embedded.nats import NatsServer
from foldline.embedded.postgres import PostgresServer
from tests.faults.judge import holders
from tests.faults.load import Load, under_load
from tests.faults.transactions import Transactions
from tests.support.processes import Processes
from tests.support.settings import line_settings
from tests.support.waiting import wait_until

CONSUMERS = 3


async def test_consumers_are_killed_in_the_middle_of_transactions(
    own_nats: NatsServer, own_postgres: PostgresServer, processes: Processes
) -> None:
    await _kills(own_nats, own_postgres, processes, inside=3, anywhere=1)


@pytest.mark.faults
@pytest.mark.timeout(1_800)
async def test_fifty_kills(own_nats: NatsServer, own_postgres: PostgresServer, processes: Processes) -> None:
    await _kills(own_nats, own_postgres, processes, inside=30, anywhere=20)


async def _kills(
    nats: NatsServer, postgres: PostgresServer, processes: Processes, *, inside: int, anywhere: int
) -> None:
    """`inside`: proven to fall between the first row and the commit. `anywhere`: at any moment."""
    settings = line_settings(nats, postgres.dsn)
    chance = random.Random(50)
    async with under_load(settings, processes, consumers=CONSUMERS) as load:
        watching = await asyncio.to_thread(Transactions, postgres.dsn)
        proven = tries = 0
        while proven < inside:
            tries += 1
            assert tries <= 4 * inside, f"{proven} of {tries} kills fell into a transaction"
            proven += await asyncio.to_thread(_kill_inside, load, watching)
            load.consumer()
        for _ in range(anywhere):
            await load.published(chance.randrange(20, 200))
            running = [consumer for consumer in load.consumers if consumer.running]
            chance.choice(running).kill()
            load.consumer()
        watching.close()
        await load.published(200)
    assert proven >= inside


def _kill_inside(load: Load, watching: Transactions) -> bool:
    """Whether the transaction that was seen did not commit any more."""
    caught = watching.catch()
    load.consumer_of(caught.consumer).kill()
    return watching.outcome(caught) == "aborted"


async def test_a_consumer_stopped_in_the_middle_of_a_transaction_blocks_nobody(
    own_nats: NatsServer, own_postgres: PostgresServer, processes: Processes
) -> None:
    """SIGSTOP keeps its transaction open and its connections alive; SIGCONT lets it go on with both."""
    settings = line_settings(own_nats, own_postgres.dsn)
    async with under_load(settings, processes, consumers=2) as load:
        watching = await asyncio.to_thread(Transactions, own_postgres.dsn)

        def stop_inside() -> tuple[int, str]:
            while True:
                caught = watching.catch()
                load.consumer_of(caught.consumer).send(signal.SIGSTOP)
                # It may have sent its commit just before.
                if watching.still_open(caught):
                    return caught.consumer, watching.outcome(caught)
                load.consumer_of(caught.consumer).send(signal.SIGCONT)

        stopped, outcome = await asyncio.to_thread(stop_inside)
        assert outcome == "aborted"  # its successor ended it

        async def taken_over() -> bool:
            held = await holders(settings)
            return sum(held.values()) == settings.partitions and not any(
                f"-{stopped}-" in one for one in held
            )

        await wait_until(taken_over, 5 * settings.lease_ttl)
        await load.published(100)
        load.consumer_of(stopped).send(signal.SIGCONT)

        async def shared() -> bool:
            return any(f"-{stopped}-" in one for one in await holders(settings))

        await wait_until(shared, 30, what="the one that was stopped takes part again")
        await load.published(100)
        watching.close()
