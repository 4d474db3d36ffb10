"""A publisher on a real line, and what the line stores of it."""

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
from schemas.facts import Fact
from schemas.subjects import Subject
from tests.support.settings import PARTITIONS, line_settings


@asynccontextmanager
async def open_publisher(server: NatsServer, **options: Any) -> AsyncIterator[Publisher]:
    """Open a publisher on a connection of its own; the streams are made where they are missing."""
    settings = line_settings(server)
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
    """A publisher on the module's line."""
    async with open_publisher(line_server) as publisher:
        yield publisher


@pytest.fixture
async def observer(line_server: NatsServer) -> AsyncIterator[Client]:
    """Another connection to the module's line, which sees what is really stored."""
    client = await connect_bus(line_settings(line_server), name="test-observer")
    yield client
    await client.close()


def fact(
    session_id: str, kind: str = "event", body: bytes = b'{"name":"n"}', *, key: str | None = None
) -> Fact:
    """Return a fact of a session that has passed admission."""
    subject = Subject("local", "session", session_id, kind)
    return admit_fact(subject, body, key=key, now=datetime.now(UTC))


def numbered(session_id: str, n: int, *, key: str | None = None) -> Fact:
    """Return an event that carries the number `n`."""
    return fact(session_id, body=json.dumps({"name": "n", "data": {"n": n}}).encode(), key=key)


def number(message: Msg) -> int:
    """Return the number that a stored `numbered` event carries."""
    return int(json.loads(message.data)["data"]["n"])


def sequence(message: Msg) -> int:
    """Return a stored message's sequence in its stream."""
    return int(message.metadata.sequence.stream)


def sequences(outcomes: list[Any]) -> list[int]:
    """Return the sequences of facts that were all acknowledged."""
    assert all(isinstance(outcome, Ack) for outcome in outcomes), outcomes
    return [outcome.position.sequence for outcome in outcomes]


async def stored(nc: Client, subjects: str = "ev.>", stream: str = "SESSIONS") -> list[Msg]:
    """Return everything the stream holds under `subjects`, in order."""
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
    """Return everything the line holds of one session but its heartbeats, in order."""
    return await stored(nc, f"ev.*.local.session.{session_id}.*")


@contextmanager
def stopped(server: NatsServer) -> Iterator[None]:
    """Let the server hang inside the block: connections stay open, nothing is answered."""
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
