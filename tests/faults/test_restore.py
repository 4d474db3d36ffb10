"""Backups restored: the line's alone, and with an older one of PostgreSQL."""

import shutil
import subprocess
from pathlib import Path

import pytest
from nats.aio.client import Client

from foldline.embedded.nats import NatsServer
from foldline.embedded.postgres import PostgresServer
from foldline.embedded.service import Service
from foldline.settings import Settings
from line.connection import close_bus, connect_bus
from line.streams import prepare_line
from tests.faults.judge import judge
from tests.faults.workload import Record
from tests.support.line import Line
from tests.support.processes import Processes
from tests.support.settings import line_settings


def copy(server: Service, source: Path, target: Path) -> None:
    """Copy a stopped server's directory with its owners, and start it again."""
    server.stop()
    subprocess.run(["cp", "-a", source, target], check=True)
    server.start()


async def fill(nc: Client, record: Record, first: int) -> None:
    line = Line(nc)
    for number in range(first, first + 60):
        session, message_id = f"S{number % 7}", f"id-{number}"
        body = b'{"name":"e%d"}' % number
        await line.put("event", session, body, headers={"Nats-Msg-Id": message_id})
        record.note(message_id, f"ev.local.session.{session}.event", body)


@pytest.mark.parametrize("with_postgres", [True, False], ids=["line-and-postgres", "line-alone"])
async def test_consumers_fold_what_the_restored_line_has(
    own_nats: NatsServer,
    own_postgres: PostgresServer,
    processes: Processes,
    tmp_path: Path,
    with_postgres: bool,
) -> None:
    settings = line_settings(own_nats, own_postgres.dsn)
    record = Record()
    nc = await _connected(settings)
    consumer = processes.consumer(settings)
    consumer.wait_for("follows the line")
    await fill(nc, record, 0)
    await judge(settings, record)
    # PostgreSQL first, the line after it.
    old_postgres, old_nats = tmp_path / "backup-pg", tmp_path / "backup-nats"
    copy(own_postgres, own_postgres.directory, old_postgres)
    await fill(nc, record, 60)
    await close_bus(nc)
    copy(own_nats, own_nats.directory, old_nats)
    nc = await _connected(settings)
    await fill(nc, Record(), 120)  # after the backup: lost with the servers
    await close_bus(nc)
    assert consumer.stop() == 0

    own_nats.stop()
    shutil.rmtree(own_nats.directory)
    old_nats.rename(own_nats.directory)
    own_nats.start()
    if with_postgres:
        own_postgres.stop()
        shutil.rmtree(own_postgres.directory)
        old_postgres.rename(own_postgres.directory)
        own_postgres.start()
        dsn = own_postgres.dsn
    else:
        empty = PostgresServer(tmp_path / "empty" / "pg")
        empty.start()
        dsn = empty.dsn
    try:
        restored = line_settings(own_nats, dsn)
        again = processes.consumer(restored)
        again.wait_for("follows the line")
        await judge(restored, record)
        assert again.stop() == 0
    finally:
        if not with_postgres:
            empty.stop()


async def _connected(settings: Settings) -> Client:
    nc = await connect_bus(settings, name="test")
    await prepare_line(nc, settings)
    return nc
