"""Answers leave in one piece, without waiting for what is not there yet."""

import asyncio
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from runtime.compat.uvicorn_http import WholeAnswers
from tests.support.waiting import wait_until

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
HEAD = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]}


class Wire(asyncio.Transport):
    """Keeps what is written, piece by piece, and that it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def writelines(self, list_of_data: Any) -> None:
        self.sent.append(b"".join(list_of_data))

    def close(self) -> None:
        self.sent.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self.sent

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def asked(app: ASGIApp, request: bytes) -> tuple[Wire, WholeAnswers]:
    wire = Wire()
    protocol = WholeAnswers(Config(app, lifespan="off", log_config=None), ServerState(), {})
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


async def test_a_request_that_cannot_be_read_is_answered() -> None:
    wire, _ = asked(whole, b"\0\r\n\r\n")
    await wait_until(wire.is_closing)
    assert wire.sent[0].startswith(b"HTTP/1.1 400 ")
