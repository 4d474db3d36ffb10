"""Listeners: the ports of a process, and what is served on each."""

import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.types import ASGIApp

from runtime.http.envelopes import Envelope
from runtime.problems import Problem


class Listener(NamedTuple):
    """A port for HTTP (0: any free one), the setting that names it, and what is served there.

    `apps` is one application, or several by path prefix, see ByPrefix. `envelope` is the form of the answer
    to a request that is no HTTP.
    """

    port: int
    setting: str
    apps: ASGIApp | Mapping[str, ASGIApp]
    envelope: Envelope


class ServerListener(NamedTuple):
    """A port, the setting that names it, and a server of another kind, such as gRPC, that listens on it.

    `server` is given host and port, and listens from entering, which may raise OSError or Problem. Leaving
    takes no new requests and waits for those under way; after 10 s it is cancelled.
    """

    port: int
    setting: str
    server: Callable[[str, int], AbstractAsyncContextManager[Any]]


def applications(listeners: Iterable[Listener]) -> list[ASGIApp]:
    """Return every application once, in the order of the listeners."""
    found: list[ASGIApp] = []
    for listener in listeners:
        apps = listener.apps.values() if isinstance(listener.apps, Mapping) else [listener.apps]
        found += [app for app in apps if not any(app is one for one in found)]
    return found


def lifespan_of(app: ASGIApp) -> AbstractAsyncContextManager[Any]:
    """Return an application's own lifespan, an empty one if it has none.

    It is entered directly and not by ASGI's protocol, so that a Problem stays a Problem.
    """
    if isinstance(app, Starlette):
        return app.router.lifespan_context(app)
    own: Callable[[], AbstractAsyncContextManager[Any]] | None = getattr(app, "lifespan", None)
    return own() if own is not None else nullcontext()


def bound_socket(host: str, port: int, setting: str) -> socket.socket:
    """Return a socket bound to a port, not listening yet: clients wait until everything is connected.

    Raises Problem.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as exc:
        bound.close()
        raise cannot_listen(host, port, setting, exc) from exc
    return bound


def cannot_listen(host: str, port: int, setting: str, exc: OSError) -> Problem:
    """Return the problem that a port cannot be had."""
    return Problem(f"cannot listen on {host} port {port}: {exc.strerror or exc}", f"FOLDLINE_HOST, {setting}")
