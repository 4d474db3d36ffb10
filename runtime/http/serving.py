"""Serving HTTP surfaces, and servers of other kinds, on their ports until the process is asked to stop."""

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    nullcontext,
)
from typing import Any, Final

import uvicorn
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.compat.uvicorn_http import SingleWriteProtocol
from runtime.compat.uvicorn_server import SignalledServer
from runtime.http.error_handlers import malformed
from runtime.http.listeners import (
    Listener,
    ServerListener,
    applications,
    bound_socket,
    cannot_listen,
    lifespan_of,
)
from runtime.http.prefixes import ByPrefix
from runtime.process.tasks import cancel_and_wait

logger = logging.getLogger("foldline.http")

STOPPING: Final = "foldline.stopping"
"""Key in a request's scope of an asyncio.Event; it is set when the process is asked to stop.

An answer without end (a live stream) watches it.
"""
_STOP: Final = (signal.SIGTERM, signal.SIGINT)
_DRAIN_S: Final = 10  # for requests under way when the process is asked to stop


def serve(
    host: str,
    listeners: Sequence[Listener | ServerListener],
    lifespan: AbstractAsyncContextManager[Any] | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; requests under way then get 10 s to finish. Raises Problem.

    All ports are bound first. Then `lifespan` is entered, which connects the process and may raise Problem,
    and in it the applications' own; after that the ports listen. All is left in the opposite order.
    """
    web = [one for one in listeners if isinstance(one, Listener)]
    others = [one for one in listeners if isinstance(one, ServerListener)]
    with ExitStack() as stack:
        sockets = [stack.enter_context(bound_socket(host, one.port, one.setting)) for one in web]
        for one in others:  # they bind by themselves, later: whether somebody else has the port is said now
            bound_socket(host, one.port, one.setting).close()
        uvloop.run(_serve(host, web, sockets, others, lifespan or nullcontext()))


async def _serve(
    host: str,
    web: Sequence[Listener],
    sockets: list[socket.socket],
    others: Sequence[ServerListener],
    lifespan: AbstractAsyncContextManager[Any],
) -> None:
    stopping = asyncio.Event()
    ports = [bound.getsockname()[1] for bound in sockets]
    server = SignalledServer(
        uvicorn.Config(
            _ByPort(dict(zip(ports, web, strict=True)), stopping),
            http=SingleWriteProtocol,
            lifespan="off",  # entered below, so that a Problem stays a Problem
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # no answer depends on the address of the client
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_DRAIN_S,
        ),
        stopping.set,
    )
    starting = asyncio.current_task()

    def stop() -> None:
        # uvicorn raises the signal again when it is done: by then there is nothing left to cancel.
        if starting is not None and not server.started:
            starting.cancel()

    for number in _STOP:
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(lifespan)
            for app in applications(web):
                await stack.enter_async_context(lifespan_of(app))
            async with AsyncExitStack() as servers:
                for one in others:
                    await servers.enter_async_context(_listening(host, one, stopping))
                logger.info(
                    "serving on port %s", ", ".join(map(str, [*ports, *(one.port for one in others)]))
                )
                await server.serve(sockets=sockets)
    except asyncio.CancelledError:
        logger.info("asked to stop while starting")


@asynccontextmanager
async def _listening(host: str, listener: ServerListener, stopping: asyncio.Event) -> AsyncIterator[None]:
    """Run a server of another kind; when `stopping` is set it drains, beside the HTTP surfaces."""
    listening = asyncio.Event()

    async def run() -> None:
        async with listener.server(host, listener.port):
            listening.set()
            await stopping.wait()
            asyncio.get_running_loop().call_later(_DRAIN_S, task.cancel)

    task = asyncio.create_task(run())
    begun = asyncio.create_task(listening.wait())
    try:
        await asyncio.wait({task, begun}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            try:
                await task
            except OSError as exc:
                raise cannot_listen(host, listener.port, listener.setting, exc) from exc
        yield
        stopping.set()
        await asyncio.wait({task})
        if task.cancelled():
            logger.warning("port %d: requests under way were cut off", listener.port)
    finally:
        await cancel_and_wait(begun)
        await cancel_and_wait(task)


class _ByPort:
    """Dispatches each request to the application, or the applications, of the port that it came in on."""

    def __init__(self, listeners: Mapping[int, Listener], stopping: asyncio.Event) -> None:
        self._apps: dict[int, ASGIApp] = {
            port: ByPrefix(one.apps) if isinstance(one.apps, Mapping) else one.apps
            for port, one in listeners.items()
        }
        self._malformed = {port: malformed(one.envelope) for port, one in listeners.items()}
        self._stopping = stopping

    def malformed(self, port: int) -> bytes:
        """Return the body of the answer to what came in on a port and is no HTTP."""
        return self._malformed[port]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[STOPPING] = self._stopping
        await self._apps[scope["server"][1]](scope, receive, send)
