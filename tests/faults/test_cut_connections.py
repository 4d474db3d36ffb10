"""Connections cut at the worst moment: a commit on its way, or carried out and not answered; publishes."""

import asyncio

import pytest

from foldline.embedded.nats import NatsServer
from foldline.embedded.postgres import PostgresServer
from foldline.embedded.socket_dir import SOCKET_PORT
from tests.faults.load import under_load
from tests.support.processes import Processes
from tests.support.proxy import Judge, Session, Streams, Verdict, proxied
from tests.support.settings import line_settings
from tests.support.waiting import wait_until

_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
_EVERY = 7  # commits between two cuts, so that something is done in between
_WRITER = b"foldline sessions\x00"


def cut_commits() -> Judge:
    """Every so often a commit of the projection: in turn lost on its way, and carried out, not answered."""
    commits = 0

    def judge(session: Session, data: bytes) -> Verdict:
        nonlocal commits
        if not data.endswith(_COMMIT) or _WRITER not in session.greeting:
            return "pass"
        commits += 1
        if commits % _EVERY:
            return "pass"
        return "cut" if commits // _EVERY % 2 else "cut before the answer"

    return judge


def cut_publishes() -> Judge:
    """Every so often a group that was published: it is stored, and its acknowledgement lost."""
    groups = 0

    def judge(session: Session, data: bytes) -> Verdict:
        nonlocal groups
        if b"HPUB ev." not in data:
            return "pass"
        groups += 1
        return "pass" if groups % 10 else "cut before the answer"

    return judge


async def test_connections_are_cut(
    own_nats: NatsServer, own_postgres: PostgresServer, processes: Processes
) -> None:
    await _cuts(own_nats, own_postgres, processes, each=2)


@pytest.mark.faults
@pytest.mark.timeout(900)
async def test_connections_are_cut_many_times(
    own_nats: NatsServer, own_postgres: PostgresServer, processes: Processes
) -> None:
    await _cuts(own_nats, own_postgres, processes, each=40)


async def _cuts(nats: NatsServer, postgres: PostgresServer, processes: Processes, *, each: int) -> None:
    """At least `each` of every kind."""
    direct = line_settings(nats, postgres.dsn)
    socket = str(postgres.socket_dir / f".s.PGSQL.{SOCKET_PORT}")

    async def to_postgres() -> Streams:
        return await asyncio.open_unix_connection(socket)

    async def to_nats() -> Streams:
        host, port = nats.url.removeprefix("nats://").split(":")
        return await asyncio.open_connection(host, int(port))

    async with proxied(to_postgres, cut_commits()) as database, proxied(to_nats, cut_publishes()) as bus:
        dsn = f"postgresql://foldline@127.0.0.1:{database.port}/foldline?sslmode=disable&gssencmode=disable"
        consuming = line_settings(nats, dsn)
        producing = direct.model_copy(update={"nats_url": f"nats://127.0.0.1:{bus.port}"})
        async with under_load(consuming, processes, consumers=2, producing=producing):

            def enough() -> bool:
                return (
                    database.cuts.get("cut", 0) >= each
                    and database.cuts.get("cut before the answer", 0) >= each
                    and bus.cuts.get("cut before the answer", 0) >= each
                )

            await wait_until(enough, 300, what=f"{each} cuts of each kind")
