"""HTTP surfaces on their ports, until the process is asked to stop."""

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
"""Of a request's scope: an event that is set when the process is asked to stop, for answers without end."""
_STOP: Final = (signal.SIGTERM, signal.SIGINT)
_DRAIN_S: Final = 10  # what running requests get when asked to stop


class Door(NamedTuple):
    """A port, and the setting that names it."""

    port: int
    setting: str


class Served(NamedTuple):
    """An application for each door, and what they live in: connected on entering, which may raise Problem."""

    apps: Sequence[ASGIApp]
    life: AbstractAsyncContextManager[Any]


def serve(host: str, doors: Sequence[Door], make: Callable[[], Served]) -> None:
    """Serve until SIGTERM or Ctrl-C, then let running requests finish. Raises Problem."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(_bound_socket(host, *door)) for door in doors]
        uvloop.run(_serve(listeners, make))


async def _serve(listeners: list[socket.socket], make: Callable[[], Served]) -> None:
    apps, life = make()
    ports = [listener.getsockname()[1] for listener in listeners]
    stopping = asyncio.Event()
    server = SignalledServer(
        uvicorn.Config(
            _ByPort(dict(zip(ports, apps, strict=True)), stopping),
            http=SingleWriteProtocol,
            lifespan="off",  # entered below, so that a Problem stays a Problem
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # no answer depends on who asked
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_DRAIN_S,
        ),
        stopping.set,
    )
    starting = asyncio.current_task()

    def stop() -> None:
        # uvicorn raises the signal once more when it is done: by then there is nothing left to cancel.
        if starting is not None and not server.started:
            starting.cancel()

    for number in _STOP:
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        async with life:
            logger.info("serving on port %s", ", ".join(map(str, ports)))
            await server.serve(sockets=listeners)
    except asyncio.CancelledError:
        logger.info("asked to stop while starting")


class _ByPort:
    """One application a port: a surface is known by where it is asked."""

    def __init__(self, apps: Mapping[int, ASGIApp], stopping: asyncio.Event) -> None:
        self._apps = apps
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[STOPPING] = self._stopping
        await self._apps[scope["server"][1]](scope, receive, send)


def _bound_socket(host: str, port: int, setting: str) -> socket.socket:
    """The port is ours before anything is connected; nobody is let in before everything is."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as exc:
        listener.close()
        raise Problem(
            f"cannot listen on {host} port {port}: {exc.strerror or exc}", f"FOLDLINE_HOST, {setting}"
        ) from exc
    return listener
