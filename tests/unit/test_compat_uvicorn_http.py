"""Answers leave in one piece, without waiting for what is not there yet; WebSockets pass."""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import uvicorn
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK

from runtime.compat.uvicorn_http import SingleWriteProtocol
from tests.support.waiting import wait_until, wait_until_sync

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
HEAD = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]}


class Wire(asyncio.Transport):
    """Keeps what is written, piece by piece, and that it was closed."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 8000)})
        self.sent: list[bytes] = []

    def writelines(self, list_of_data: Any) -> None:
        self.sent.append(b"".join(list_of_data))

    def close(self) -> None:
        self.sent.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self.sent

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def asked(app: ASGIApp, request: bytes) -> tuple[Wire, SingleWriteProtocol]:
    wire = Wire()
    protocol = SingleWriteProtocol(Config(app, lifespan="off", log_config=None), ServerState(), {})
    protocol.connection_made(wire)
    protocol.data_received(request)
    return wire, protocol


async def whole(scope: Scope, receive: Receive, send: Send) -> None:
    await send(HEAD)
    await send({"type": "http.response.body", "body": b"done"})


async def test_head_and_body_are_one_write() -> None:
    wire, protocol = asked(whole, REQUEST * 2)
    await wait_until(lambda: len(wire.sent) == 2)
    assert all(
        answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\ndone") for answer in wire.sent
    )
    protocol.shutdown()
    assert wire.sent[2:] == [b"closed"]


async def test_an_answer_is_out_before_its_connection_closes() -> None:
    wire, _ = asked(whole, REQUEST.replace(b"1.1", b"1.0"))
    await wait_until(wire.is_closing)
    answer, closed = wire.sent
    assert (answer[-4:], closed) == (b"done", b"closed")


async def test_what_goes_on_is_sent_as_it_is_made() -> None:
    more = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await send(HEAD)
        await send({"type": "http.response.body", "body": b"do", "more_body": True})
        await more.wait()
        await send({"type": "http.response.body", "body": b"ne"})

    wire, protocol = asked(slow, REQUEST)
    await wait_until(lambda: bool(wire.sent))
    (begun,) = wire.sent
    assert begun.endswith(b"\r\n\r\ndo")
    more.set()
    await wait_until(lambda: len(wire.sent) == 2)
    assert wire.sent[1] == b"ne"
    protocol.shutdown()


async def test_an_answer_made_without_a_pause_is_not_held() -> None:
    async def eager(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(8):
            await send({"type": "http.response.body", "body": bytes(40_000), "more_body": True})
        await send({"type": "http.response.body"})

    wire, protocol = asked(eager, REQUEST)
    await wait_until(lambda: b"".join(wire.sent).endswith(b"0\r\n\r\n"))
    assert [len(piece) // 40_000 for piece in wire.sent][:4] == [2, 2, 2, 2]
    protocol.shutdown()


async def test_what_is_no_http_is_answered_as_the_application_says() -> None:
    class App:
        def malformed(self, port: int) -> bytes:
            return b"{%d}" % port

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            raise AssertionError("there is no request")

    wire, _ = asked(App(), b"\0\r\n\r\n")
    await wait_until(wire.is_closing)
    head, _, body = wire.sent[0].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert (body, b"content-length: 6" in head) == (b"{8000}", True)


def test_the_protocol_has_the_methods_that_are_overridden() -> None:
    expected = {
        "connection_made": ["self", "transport"],
        "on_response_complete": ["self"],
        "handle_websocket_upgrade": ["self"],
        "send_400_response": ["self", "msg"],
        "_should_upgrade": ["self"],
    }
    for name, parameters in expected.items():
        assert list(inspect.signature(getattr(HttpToolsProtocol, name)).parameters) == parameters


class Application:
    """`/whole`, `/chunks` with a pause between the two of them, and a WebSocket that echoes."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.echo(receive, send)
        elif scope["path"] == "/whole":
            await whole(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"one", "more_body": True})
            await asyncio.to_thread(self.go_on.wait, 10)
            await send({"type": "http.response.body", "body": b"two"})

    async def echo(self, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            if message.get("text") == "close":
                await send({"type": "websocket.close", "code": 1000, "reason": "asked to"})
                return
            await send({**message, "type": "websocket.send"})


@pytest.fixture(scope="module")
def application() -> Application:
    return Application()


@pytest.fixture(scope="module")
def port(application: Application) -> Iterator[int]:
    """A real server with our protocol, on the event loop that our processes run on."""
    config = Config(
        application, http=SingleWriteProtocol, lifespan="off", log_config=None, port=0, access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: uvloop.run(server.serve()))
    thread.start()
    try:
        wait_until_sync(lambda: server.started)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield reader, writer
    writer.close()
    await writer.wait_closed()


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def head_of(streams: Streams, path: bytes) -> bytes:
    reader, writer = streams
    writer.write(b"GET %b HTTP/1.1\r\nHost: here\r\n\r\n" % path)
    async with asyncio.timeout(10):
        return (await reader.readuntil(b"\r\n\r\n")).lower()


async def test_a_connection_is_kept_for_the_next_request(connection: Streams) -> None:
    for _ in range(3):
        head = await head_of(connection, b"/whole")
        assert head.startswith(b"http/1.1 200 ")
        assert b"connection: close" not in head
        assert await connection[0].readexactly(4) == b"done"


async def test_chunks_arrive_one_by_one_and_the_connection_stays(
    application: Application, connection: Streams
) -> None:
    application.go_on.clear()
    assert b"transfer-encoding: chunked" in await head_of(connection, b"/chunks")
    async with asyncio.timeout(10):
        assert await connection[0].readexactly(8) == b"3\r\none\r\n"  # the other one is not made yet
        application.go_on.set()
        assert await connection[0].readexactly(13) == b"3\r\ntwo\r\n0\r\n\r\n"
    assert (await head_of(connection, b"/whole")).startswith(b"http/1.1 200 ")


async def test_a_websocket_is_upgraded_and_echoes(port: int) -> None:
    large = bytes(range(256)) * 2048
    async with connect(f"ws://127.0.0.1:{port}/any") as socket:
        for message in ("", "text", "ü" * 70_000, b"", b"bytes", large):
            await socket.send(message)
            assert await socket.recv() == message
        await asyncio.gather(*(socket.send(str(number)) for number in range(50)))
        assert [await socket.recv() for _ in range(50)] == [str(number) for number in range(50)]


async def test_a_websocket_is_closed_with_code_and_reason(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/") as socket:
        await socket.send("close")
        with pytest.raises(ConnectionClosedOK) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1000, "asked to")


async def test_blanks_around_a_value_are_no_part_of_a_header() -> None:
    seen: dict[bytes, bytes] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.update(scope["headers"])
        await whole(scope, receive, send)

    values = [b"k", b" k", b"k ", b" \t k \t ", b"a b\t", b" \t", b""]
    lines = b"".join(b"X-%d:%b\r\n" % (place, value) for place, value in enumerate(values))
    wire, protocol = asked(app, REQUEST.replace(b"\r\n\r\n", b"\r\n" + lines + b"\r\n"))
    await wait_until(lambda: bool(wire.sent))
    protocol.shutdown()
    for place, value in enumerate(values):
        assert seen[b"x-%d" % place] == value.strip(b" \t")
