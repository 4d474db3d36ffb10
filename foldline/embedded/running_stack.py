"""The stack of a running `foldline up`: its addresses, written down for other commands."""

import os
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from foldline.embedded.layout import Layout
from foldline.embedded.lock import is_held
from foldline.embedded.ports import reachable_host
from foldline.surfaces import SURFACES, Surface
from runtime.problems import Problem
from runtime.settings.base import ProcessSettings, variable

S = TypeVar("S", bound=ProcessSettings)


class Stack(BaseModel, frozen=True):
    """The addresses of a running `foldline up`, as it wrote them under its data directory.

    What is None is not part of the stack, nor is a surface without a port.
    """

    nats_url: str
    nats_monitor_url: str | None
    database_url: str
    host: str
    ports: dict[str, int] = {}
    """The ports of surfaces, by name."""
    site: str | None = None
    own_site_only: bool | None = None
    sites: str | None = None
    pid: int = Field(default_factory=os.getpid)

    def url(self, surface: Surface) -> str | None:
        """Return the address of a surface."""
        port = self.ports.get(surface.shares or surface.name)
        if port is None:
            return None
        path = surface.paths[0] if surface.paths else ""
        return f"{surface.scheme}://{reachable_host(self.host)}:{port}{path}"

    def settings(self) -> dict[str, Any]:
        """Return the addresses as settings."""
        ports = {f"{name}_port": port for name, port in self.ports.items()}
        return self.model_dump(exclude={"pid", "ports"}, exclude_none=True) | ports

    def environment(self) -> dict[str, str]:
        """Return the addresses as variables for a child."""
        return {variable(key): str(value) for key, value in self.settings().items()}

    def as_json(self) -> dict[str, Any]:
        """Return the addresses for people and scripts: settings, and the URL of each surface."""
        urls = {f"{surface.name}_url": self.url(surface) for surface in SURFACES}
        return self.settings() | {"pid": self.pid} | {name: url for name, url in urls.items() if url}

    def save(self, path: Path) -> None:
        """Write the addresses, readable by the owner only: one may hold a password."""
        part = path.with_name(path.name + ".part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self.model_dump_json(indent=2) + "\n")
        part.replace(path)


def load_stack(data_dir: Path) -> Stack | None:
    """The stack that runs on `data_dir` now; None when none does, even if a killed one left its file."""
    layout = Layout.of(data_dir)
    if not is_held(layout.lock):
        return None
    try:
        return Stack.model_validate_json(layout.stack.read_bytes())
    except (OSError, ValidationError):  # still starting
        return None


def resolve(settings: S, *, database: bool = True) -> S:
    """Return `settings` with the addresses nobody set taken from the stack that runs in its data directory.

    Raises Problem when no PostgreSQL is known and `database` says that one is needed.
    """
    found: dict[str, Any] = {}
    if stack := load_stack(settings.data_dir):
        unset = type(settings).model_fields.keys() - settings.model_fields_set
        found = {key: value for key, value in stack.settings().items() if key in unset}
    resolved = settings.model_copy(update=found)
    if database and getattr(resolved, "database_url", None) is None:
        raise Problem("no PostgreSQL: start `foldline up` or set FOLDLINE_DATABASE_URL")
    return resolved
