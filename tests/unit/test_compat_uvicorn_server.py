"""A signal is told at once, requests finish, and the handler from before gets the signal again."""

import asyncio
import os
import signal
from types import FrameType

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from runtime.compat.uvicorn_server import SignalledServer
from tests.support.waiting import wait_until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_is_told_while_a_request_runs_to_its_end(number: signal.Signals) -> None:
    stopping, asked = asyncio.Event(), asyncio.Event()
    raised_again: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        await stopping.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b"finished"})

    def before(caught: int, _: FrameType | None) -> None:
        raised_again.append(caught)

    handlers = {each: signal.signal(each, before) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        config = uvicorn.Config(app, lifespan="off", log_config=None, port=0)
        server = SignalledServer(config, stopping.set)
        serving = asyncio.create_task(server.serve())
        await wait_until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        await asked.wait()
        os.kill(os.getpid(), number)
        answer = await asyncio.wait_for(reader.read(), 10)
        await asyncio.wait_for(serving, 10)
        writer.close()
        await writer.wait_closed()
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
    assert answer.endswith(b"finished\r\n0\r\n\r\n")
    assert raised_again == [number]
