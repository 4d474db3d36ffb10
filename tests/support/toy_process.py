"""A process with toy surfaces, run by `python -m tests.support.toy_process`, to send signals to.

Arguments: the HTTP port, the port of a server that is no ASGI application, and how long its drain takes.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, WebSocket

from runtime.http.envelopes import AGENTS, JOBS, Envelope
from runtime.http.listeners import Listener, ServerListener
from runtime.http.serving import STOPPING, serve
from runtime.http.surface_app import surface_app


def say(line: str) -> None:
    """Write one line for the test."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@asynccontextmanager
async def lifespan_named(name: str) -> AsyncIterator[None]:
    """Say when it is entered and left."""
    say(f"{name} begins")
    yield
    say(f"{name} ends")


def toy(name: str, envelope: Envelope) -> FastAPI:
    """A surface with a request, a slow one, a WebSocket and a lifespan."""
    app = surface_app(name, name, envelope, lifespan=lambda _: lifespan_named(name))

    @app.get("/slow")
    @app.get("/api/slow")
    async def slow(request: Request) -> str:
        say(f"{name} works")
        await request.scope[STOPPING].wait()
        return "finished"

    @app.websocket("/live")
    @app.websocket("/api/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(name)
        await socket.close()

    @app.get("/who")
    @app.get("/api/who")
    async def who() -> str:
        return name

    return app


class LineServer:
    """A server of another kind: it answers every line with itself; leaving waits until lines are answered."""

    def __init__(self, drain_s: float) -> None:
        self._drain_s = drain_s

    @asynccontextmanager
    async def __call__(self, host: str, port: int) -> AsyncIterator[None]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                writer.write(line)
            writer.close()

        server = await asyncio.start_server(answer, host, port)
        say("lines begin")
        yield
        say("lines drain")
        server.close()
        await asyncio.sleep(self._drain_s)
        say("lines end")


def main(port: str, line_port: str, drain_s: str) -> None:
    """Serve until a signal."""
    listeners = [
        Listener(int(port), "FOLDLINE_PORT", {"": toy("front", JOBS), "/api": toy("agents", AGENTS)}, JOBS),
        ServerListener(int(line_port), "FOLDLINE_LINE_PORT", LineServer(float(drain_s))),
    ]
    serve("127.0.0.1", listeners, lifespan_named("process"))
    say("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
