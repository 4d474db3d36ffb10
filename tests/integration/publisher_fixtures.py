"""A real line for tests of the publisher: one nats-server a module, and looks behind the scenes."""

import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig

from foldline.embedded.nats import NatsServer
from line.connection import connect_bus
from line.streams import prepare_line
from producers.admission import admit_fact
from producers.publishing.publisher import Ack, Publisher
from runtime.settings import Settings
from schemas.facts import Fact
from schemas.subjects import Subject

PARTITIONS = 16


def bus_settings(server: NatsServer, **changes: Any) -> Settings:
    return Settings(
        _env_file=None,
        nats_url=server.url,
        nats_monitor_url=server.monitor_url,
        connect_timeout=10,
        **changes,
    )


@pytest.fixture(scope="module")
def line_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path_factory.mktemp("line") / "nats")
    server.start(30)
    yield server
    server.stop()


@asynccontextmanager
async def open_publisher(server: NatsServer, **options: Any) -> AsyncIterator[Publisher]:
    """A publisher on a connection of its own, on a line that has its streams."""
    settings = bus_settings(server)
    nc = await connect_bus(settings, name="test-publisher", publisher=True)
    await prepare_line(nc, settings)
    publisher = Publisher(nc, partitions=PARTITIONS, **options)
    try:
        yield publisher
    finally:
        await publisher.aclose()
        await nc.close()


@pytest.fixture
async def publisher(line_server: NatsServer) -> AsyncIterator[Publisher]:
    async with open_publisher(line_server) as publisher:
        yield publisher


@pytest.fixture
async def look(line_server: NatsServer) -> AsyncIterator[Client]:
    """Another connection, that sees what the line really keeps."""
    client = await connect_bus(bus_settings(line_server), name="test-look")
    yield client
    await client.close()


def fact(
    session_id: str, kind: str = "event", body: bytes = b'{"name":"n"}', *, key: str | None = None
) -> Fact:
    subject = Subject("local", "session", session_id, kind)
    return admit_fact(subject, body, key=key, now=datetime.now(UTC))


def numbered(session_id: str, n: int, *, key: str | None = None) -> Fact:
    return fact(session_id, body=json.dumps({"name": "n", "data": {"n": n}}).encode(), key=key)


def number(message: Msg) -> int:
    return int(json.loads(message.data)["data"]["n"])


def sequence(message: Msg) -> int:
    return int(message.metadata.sequence.stream)


def sequences(outcomes: list[Any]) -> list[int]:
    assert all(isinstance(outcome, Ack) for outcome in outcomes), outcomes
    return [outcome.position.sequence for outcome in outcomes]


async def stored(nc: Client, subjects: str = "ev.>", stream: str = "SESSIONS") -> list[Msg]:
    """Everything the stream keeps under `subjects`, in order."""
    js = nc.jetstream()
    subscription = await js.pull_subscribe(
        subjects, stream=stream, config=ConsumerConfig(ack_policy=AckPolicy.NONE)
    )
    total = (await subscription.consumer_info()).num_pending
    messages: list[Msg] = []
    while len(messages) < total:
        messages += await subscription.fetch(min(1000, total - len(messages)), timeout=5)
    await subscription.unsubscribe()
    return messages


async def stored_of(nc: Client, session_id: str) -> list[Msg]:
    return await stored(nc, f"ev.*.local.session.{session_id}.*")


@contextmanager
def stopped(server: NatsServer) -> Iterator[None]:
    """The server hangs: connections stay open, nothing is answered."""
    assert server.process is not None
    pid = server.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED)  # its threads go on for a while: 12 ms were seen
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # killed meanwhile
            os.kill(pid, signal.SIGCONT)
