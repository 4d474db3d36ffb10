"""PostgreSQL's disk is full under load: consumers wait, say why, and go on when there is room again."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import psycopg
import pytest

from foldline.embedded.nats import NatsServer
from foldline.embedded.postgres import PostgresServer
from foldline.settings import Settings
from runtime.database.connections import connect
from tests.faults.load import under_load
from tests.support.processes import Processes
from tests.support.settings import line_settings
from tests.support.small_disk import fill
from tests.support.waiting import wait_until

logger = logging.getLogger(__name__)


@pytest.fixture
def small_postgres(small_disk: Path, tmp_path: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL on it."""
    server = PostgresServer(small_disk / "pg", log=tmp_path / "postgres.log")
    server.start()
    yield server
    server.stop()


async def test_a_full_disk_delays_and_loses_nothing(
    own_nats: NatsServer, small_postgres: PostgresServer, small_disk: Path, processes: Processes
) -> None:
    await _filled(own_nats, small_postgres, small_disk, processes, times=1)


@pytest.mark.faults
@pytest.mark.timeout(600)
async def test_the_same_again_and_again(
    own_nats: NatsServer, small_postgres: PostgresServer, small_disk: Path, processes: Processes
) -> None:
    await _filled(own_nats, small_postgres, small_disk, processes, times=5)


async def _folded(settings: Settings) -> dict[int, int]:
    """How far each partition is; empty while PostgreSQL is not there."""
    with suppress(psycopg.Error):
        async with await connect(settings, name="test-folded") as db:
            cursor = await db.execute(
                "select part, (seqs->>'SESSIONS')::bigint from foldline.lease where follower = 'sessions'"
                " and seqs ? 'SESSIONS'"
            )
            return dict(await cursor.fetchall())
    return {}


async def _folds_on(settings: Settings, before: dict[int, int]) -> bool:
    """Whether every partition has come further."""
    now = await _folded(settings)
    return now.keys() >= before.keys() and all(now[part] > sequence for part, sequence in before.items())


async def _filled(
    nats: NatsServer, postgres: PostgresServer, disk: Path, processes: Processes, *, times: int
) -> None:
    settings = line_settings(nats, postgres.dsn)
    async with under_load(settings, processes, consumers=2) as load:

        def told() -> int:
            return sum(one.text().count("No space left on device") for one in load.consumers)

        for _ in range(times):
            before = told()
            filler = await asyncio.to_thread(fill, disk)
            try:
                await wait_until(
                    lambda before=before: told() > before, 100, what="a consumer says why it waits"
                )
                await load.published(500)
            finally:
                filler.unlink()
            if not postgres.running:  # its log found no room: it stops rather than forget
                logger.info("PostgreSQL had ended")
                await asyncio.to_thread(postgres.start)
            assert all(consumer.running for consumer in load.consumers)
            # A reason is told once, and again only after something was folded meanwhile.
            await wait_until(
                partial(_folds_on, settings, await _folded(settings)), 100, what="folding goes on"
            )
    for consumer in load.consumers:
        assert "cannot " not in consumer.text()  # what a follower says of our own bugs
