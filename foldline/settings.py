"""Settings of each process: its parts from `runtime.settings`, and the ports of its surfaces."""

import os
from typing import Any, Final, TypeVar

from pydantic import Field, create_model

from foldline.surfaces import API, SURFACES, Surface, surfaces_of, surfaces_with_ports
from runtime.settings.base import Port, ProcessSettings
from runtime.settings.processes import (
    ApiSettings,
    CentralSettings,
    CommandSettings,
    ConsumerSettings,
    SidecarSettings,
    UpSettings,
)
from runtime.settings.unknown_names import check_names

S = TypeVar("S", bound=ProcessSettings)

_OTHERS: Final = ("FOLDLINE_URL",)  # of the client library, in the environment of an application


def with_ports(model: type[S], surfaces: tuple[Surface, ...]) -> type[S]:
    """Return the settings of a process that serves `surfaces`: `<name>_port` is the port of each."""
    ports: dict[str, Any] = {
        surface.port_setting: (Port, Field(surface.port, description=f"Port of {surface.about}."))
        for surface in surfaces_with_ports(surfaces)
    }
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **ports)


Api: Final = with_ports(ApiSettings, surfaces_of("api"))
Consumer: Final = ConsumerSettings
Sidecar: Final = with_ports(SidecarSettings, surfaces_of("sidecar"))
Central: Final = with_ports(CentralSettings, surfaces_of("central"))
Commands: Final = CommandSettings
Demo: Final = with_ports(CommandSettings, (API,))

PROCESSES: Final[dict[str, type[ProcessSettings]]] = {
    "api": Api,
    "consumer": Consumer,
    "sidecar": Sidecar,
    "central": Central,
}
"""The settings of each process, by the command that runs it."""

Settings: Final = with_ports(UpSettings, SURFACES)
"""The settings of all processes together."""


def read_settings(model: type[S], **given: Any) -> S:
    """Read settings from the environment; what is `given` counts before it.

    Raises pydantic's ValidationError for a wrong value, Problem for a name that no process knows.
    """
    check_names(os.environ, (Settings,), _OTHERS)
    return model(**given)


def port_of(settings: ProcessSettings, surface: Surface) -> int:
    """Return the port of a surface; 0 is any free one."""
    port: int = getattr(settings, surface.port_setting)
    return port
