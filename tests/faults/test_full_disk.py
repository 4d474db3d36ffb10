"""PostgreSQL's disk is full under load: consumers wait, say why, and go on when there is room again."""

import asyncio
import errno
import logging
import os
import subprocess
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
from tests.support.waiting import wait_until

logger = logging.getLogger(__name__)

_SIZE = "224m"
_BLOCK = bytes(1 << 20)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, small enough to fill."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small file system that is filled here")
    place = tmp_path / "small"
    place.mkdir(mode=0o755)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=755", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def small_postgres(small_disk: Path, tmp_path: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL on it."""
    server = PostgresServer(small_disk / "pg", log=tmp_path / "postgres.log")
    server.start()
    yield server
    server.stop()


def fill(disk: Path) -> Path:
    """Take all the room there is, to the last block."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for block in (_BLOCK, _BLOCK[:4096]):
            try:
                while file.write(block):
                    pass
            except OSError as exc:
                if exc.errno != errno.ENOSPC:
                    raise
    return filler


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
