"""Processes that serve surfaces: each is run in the same way, from its wiring to the last request."""

from collections.abc import Callable, Sequence
from pkgutil import resolve_name
from typing import TypeVar

from starlette.types import ASGIApp

from foldline.settings import port_of
from foldline.surface_apps import SurfaceProcess, create_app
from foldline.surfaces import Surface, surfaces_with_ports
from runtime.http.listeners import Listener, ServerListener
from runtime.http.serving import serve
from runtime.problems import Problem
from runtime.process.garbage import collect_rarely
from runtime.process.logs import set_up_logging
from runtime.settings.base import ProcessSettings, variable

S = TypeVar("S", bound=ProcessSettings)


def run_process(settings: S, surfaces: Sequence[Surface], wire: Callable[[S], SurfaceProcess]) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises Problem."""
    set_up_logging(settings)
    collect_rarely()
    process = wire(settings)
    serve(settings.host, listeners_of(surfaces, process), process.bootstrap.started())


def listeners_of(surfaces: Sequence[Surface], process: SurfaceProcess) -> list[Listener | ServerListener]:
    """Return the listener of each port, with the applications of all surfaces on it. Raises Problem."""
    _check_ports(surfaces, process.settings)
    return [_listener(surface, surfaces, process) for surface in surfaces_with_ports(surfaces)]


def _check_ports(surfaces: Sequence[Surface], settings: ProcessSettings) -> None:
    settings_of: dict[int, list[str]] = {}
    for surface in surfaces_with_ports(surfaces):
        if port := port_of(settings, surface):
            settings_of.setdefault(port, []).append(variable(surface.port_setting))
    for port, names in settings_of.items():
        if len(names) > 1:
            raise Problem(f"port {port} is wanted for several surfaces: choose another", ", ".join(names))


def _listener(
    surface: Surface, surfaces: Sequence[Surface], process: SurfaceProcess
) -> Listener | ServerListener:
    """Return the listener of a surface with a port, and of all that share it."""
    port, setting = port_of(process.settings, surface), variable(surface.port_setting)
    if surface.server:
        return ServerListener(port, setting, resolve_name(surface.server)(process))
    sharing = [one for one in surfaces if one.shares == surface.name]
    app = create_app(surface, process)
    if not sharing:
        return Listener(port, setting, app, surface.envelope)
    apps: dict[str, ASGIApp] = {"": app}
    for one in sharing:
        apps |= dict.fromkeys(one.paths, create_app(one, process))
    return Listener(port, setting, apps, surface.envelope)
