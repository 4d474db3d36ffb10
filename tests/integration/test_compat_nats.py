"""What we add to nats-py's client, against a real server."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import nats
import pytest
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, StorageType

from foldline.embedded.nats import NatsServer
from line.connection import close_bus, connect_bus
from runtime.compat.nats_client import BusClient
from tests.support.line import publish_raw
from tests.support.settings import line_settings
from tests.support.waiting import wait_until

STREAM = "COMPAT"


async def connected(server: NatsServer, **options: Any) -> BusClient:
    return await connect_bus(line_settings(server, "", database_url=None), name="test-compat", **options)


@pytest.fixture
async def client(shared_nats: NatsServer) -> AsyncIterator[BusClient]:
    made = await connected(shared_nats)
    stream = made.jetstream()
    await stream.add_stream(name=STREAM, subjects=["compat.>"], storage=StorageType.MEMORY)
    yield made
    await stream.delete_stream(STREAM)
    await close_bus(made)


class Heard:
    """What a subscription gave to its sink or answer, and what to its callback."""

    def __init__(self) -> None:
        self.short: list[tuple[bytes, ...]] = []
        self.usual: list[Msg] = []

    def take(self, *parts: bytes) -> None:
        self.short.append(parts)

    async def on_message(self, message: Msg) -> None:
        self.usual.append(message)


async def test_stored_messages_go_to_the_sink_and_the_servers_own_to_the_callback(client: BusClient) -> None:
    heard, inbox, stream = Heard(), client.new_inbox(), client.jetstream()
    for number in range(3):
        await stream.publish(f"compat.{number}", b"%d" % number, headers={"A": "b"} if number else None)
    await stream.add_consumer(STREAM, ConsumerConfig(name="reader", ack_policy=AckPolicy.NONE))
    subscription = await client.subscribe_sink(inbox, heard.take, cb=heard.on_message)

    async def fetch() -> None:
        request = json.dumps({"batch": 5, "no_wait": True}).encode()
        await client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.reader", request, inbox)

    await fetch()
    await wait_until(lambda: heard.usual)
    assert [(subject, body) for subject, _, body, _ in heard.short] == [
        (b"compat.0", b"0"),
        (b"compat.1", b"1"),
        (b"compat.2", b"2"),
    ]
    assert all(reply.startswith(b"$JS.ACK.") for _, reply, _, _ in heard.short)
    assert [headers for *_, headers in heard.short] == [b"", *[b"NATS/1.0\r\nA: b\r\n\r\n"] * 2]
    assert [message.headers for message in heard.usual] == [{"Status": "404", "Description": "No Messages"}]

    await client.unsubscribe_sink(subscription)
    await stream.publish("compat.3", b"3")
    await fetch()
    await client.flush()
    assert (len(heard.short), len(heard.usual), client.sinks) == (3, 1, {})


async def test_acknowledgements_go_to_the_answer_and_errors_to_the_callback(client: BusClient) -> None:
    heard, inbox = Heard(), client.new_inbox()
    await client.subscribe_answers(f"{inbox}.*", heard.take, cb=heard.on_message)
    await client.send(f"PUB compat.a {inbox}.1 2\r\nab\r\nPUB compat.b {inbox}.2 0\r\n\r\n".encode())
    await client.send(f"PUB nobody.listens {inbox}.3 0\r\n\r\n".encode())
    await wait_until(lambda: len(heard.short) == 2 and heard.usual)
    assert [(subject, json.loads(body)["seq"]) for subject, body in heard.short] == [
        (f"{inbox}.1".encode(), 1),
        (f"{inbox}.2".encode(), 2),
    ]
    (refused,) = heard.usual
    assert refused.headers is not None
    assert (refused.subject, refused.headers["Status"]) == (f"{inbox}.3", "503")


async def test_lines_are_sent_behind_what_was_published_before(client: BusClient) -> None:
    seen: list[int] = []

    async def on_message(message: Msg) -> None:
        seen.append(int(message.data))

    await client.subscribe("order", cb=on_message)
    for number in range(0, 300, 3):
        await client.publish("order", b"%d" % number)
        for following in (number + 1, number + 2):
            text = b"%d" % following
            await client.send(b"PUB order %d\r\n%b\r\n" % (len(text), text))
    await wait_until(lambda: len(seen) == 300)
    assert seen == list(range(300))


async def test_what_was_dropped_while_disconnected_is_not_sent_later(
    own_nats: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = await connected(own_nats)
    disconnects: list[bool] = []
    heard = Heard()
    client.on_disconnect(lambda: disconnects.append(client.is_connected))
    await client.subscribe_answers("late", heard.take, cb=heard.on_message)
    await client.flush()
    own_nats.kill()
    await wait_until(lambda: disconnects == [False])
    assert "nats: disconnected" in caplog.text  # the callback of whoever connected is called as well
    await client.publish("late", b"dropped")
    assert client.pending_data_size > 0
    client.drop_unsent()
    assert client.pending_data_size == 0
    await client.publish("late", b"kept")
    await asyncio.to_thread(own_nats.start)
    await wait_until(lambda: heard.short)
    await client.flush()
    assert heard.short == [(b"late", b"kept")]  # and the subscription has the id that it had before
    assert disconnects == [False]
    await close_bus(client)
    assert disconnects == [False, False]


async def test_messages_that_cannot_be_read_do_not_end_a_plain_client(shared_nats: NatsServer) -> None:
    """FastStream makes its clients itself, as here."""
    seen: list[Msg] = []

    async def on_message(message: Msg) -> None:
        seen.append(message)

    client = await nats.connect(shared_nats.url)
    await client.subscribe("unreadable.>", cb=on_message)
    await client.flush()
    await publish_raw(
        shared_nats.url,
        (b"unreadable.\xff", b"", b"subject"),
        (b"unreadable.status", b"NATS/1.0 \xff\xfe\xfd nonsense\r\n\r\n", b"status"),
        (b"unreadable.name", b"NATS/1.0\r\nX-\xff: a\r\n\r\n", b"header"),
        (b"unreadable.not", b"", b"last"),
    )
    await wait_until(lambda: len(seen) == 4)
    assert [(message.subject, message.data) for message in seen] == [
        ("unreadable.\\xff", b"subject"),
        ("unreadable.status", b"status"),
        ("unreadable.name", b"header"),
        ("unreadable.not", b"last"),
    ]
    assert client.is_connected
    await client.close()
