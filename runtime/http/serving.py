"""Serving HTTP surfaces on their ports until the process is asked to stop."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from typing import Any, Final, NamedTuple

import uvicorn
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.compat.uvicorn_http import SingleWriteProtocol
from runtime.compat.uvicorn_server import SignalledServer
from runtime.problems import Problem

logger = logging.getLogger("foldline.http")

STOPPING: Final = "foldline.stopping"
"""Key in a request's scope of an asyncio.Event; it is set when the process is asked to stop.

An answer without end (a live stream) watches it.
"""
_STOP: Final = (signal.SIGTERM, signal.SIGINT)
_DRAIN_S: Final = 10  # for requests under way when the process is asked to stop


class Listener(NamedTuple):
    """A port to listen on (0: any free one), and the setting that names it."""

    port: int
    setting: str


class Surfaces(NamedTuple):
    """The applications of a process, one for each listener, in the same order.

    `lifespan` connects all of them on entering, which may raise Problem, and closes everything on leaving.
    """

    apps: Sequence[ASGIApp]
    lifespan: AbstractAsyncContextManager[Any]


def serve(host: str, listeners: Sequence[Listener], make: Callable[[], Surfaces]) -> None:
    """Serve what `make` returns until SIGTERM or Ctrl-C; requests under way then get 10 s to finish.

    `make` is called inside the event loop, after all ports are bound. Raises Problem.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(_bound_socket(host, *listener)) for listener in listeners]
        uvloop.run(_serve(sockets, make))


async def _serve(sockets: list[socket.socket], make: Callable[[], Surfaces]) -> None:
    apps, lifespan = make()
    ports = [bound.getsockname()[1] for bound in sockets]
    stopping = asyncio.Event()
    server = SignalledServer(
        uvicorn.Config(
            _ByPort(dict(zip(ports, apps, strict=True)), stopping),
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
        async with lifespan:
            logger.info("serving on port %s", ", ".join(map(str, ports)))
            await server.serve(sockets=sockets)
    except asyncio.CancelledError:
        logger.info("asked to stop while starting")


class _ByPort:
    """Dispatches each request to the application of the port that it came in on."""

    def __init__(self, apps: Mapping[int, ASGIApp], stopping: asyncio.Event) -> None:
        self._apps = apps
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[STOPPING] = self._stopping
        await self._apps[scope["server"][1]](scope, receive, send)


def _bound_socket(host: str, port: int, setting: str) -> socket.socket:
    """Return a socket bound to a port, not listening yet: clients wait until everything is connected."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as exc:
        bound.close()
        raise Problem(
            f"cannot listen on {host} port {port}: {exc.strerror or exc}", f"FOLDLINE_HOST, {setting}"
        ) from exc
    return bound
