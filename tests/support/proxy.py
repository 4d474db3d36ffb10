"""A TCP proxy that cuts connections at a chosen moment: what was sent and not answered is in doubt then."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Verdict = Literal["pass", "cut", "cut before the answer"]
Judge = Callable[["Session", bytes], Verdict]
"""A judge of what a client sends: pass, cut at once, or pass and cut instead of the answer."""

_CHUNK = 1 << 16


@dataclass
class Session:
    """One client's connection. `greeting` is the first thing it sent."""

    greeting: bytes = b""
    doomed: bool = False


@dataclass
class Proxy:
    """A proxy that listens on `port`, and how often it has cut."""

    port: int
    cuts: dict[str, int] = field(default_factory=dict)


@asynccontextmanager
async def proxied(connect: Callable[[], Awaitable[Streams]], judge: Judge) -> AsyncIterator[Proxy]:
    """Forward every connection to what `connect` opens."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(OSError, asyncio.CancelledError):  # asyncio's streams would log the last one
                target = await connect()
                try:
                    await _serve(proxy, judge, (reader, writer), target)
                finally:
                    target[1].transport.abort()
        finally:
            writer.transport.abort()
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy = Proxy(server.sockets[0].getsockname()[1])
    try:
        yield proxy
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
        await asyncio.sleep(0)  # aborted transports close in the loop's next turn


async def _serve(proxy: Proxy, judge: Judge, client: Streams, target: Streams) -> None:
    session = Session()

    def verdict(data: bytes) -> Verdict:
        session.greeting = session.greeting or data
        found = judge(session, data)
        if found != "pass":
            proxy.cuts[found] = proxy.cuts.get(found, 0) + 1
            session.doomed = True
        return found

    def answered(_: bytes) -> Verdict:
        return "cut" if session.doomed else "pass"

    both = [
        asyncio.ensure_future(_pump(client[0], target[1], verdict)),
        asyncio.ensure_future(_pump(target[0], client[1], answered)),
    ]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in both:
            pump.cancel()
        await asyncio.gather(*both, return_exceptions=True)


async def _pump(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, judge: Callable[[bytes], Verdict]
) -> None:
    while data := await source.read(_CHUNK):
        if judge(data) == "cut":
            return
        sink.write(data)
        await sink.drain()
