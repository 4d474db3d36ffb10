"""The stack of a running `foldline up`: its addresses, written down for other commands."""

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, computed_field

from foldline.embedded.layout import Layout
from foldline.embedded.lock import is_held
from foldline.embedded.ports import reachable_host
from runtime.problems import Problem
from runtime.settings import Settings

_URLS = {"api_url", "jobs_url", "sidecar_url", "daemon_url", "central_url"}
_OWN = {"pid", *_URLS}


class Stack(BaseModel, frozen=True):
    """The addresses of a running `foldline up`, as it wrote them under its data directory.

    Every field but the process id is a setting; what is None is not part of the stack.
    """

    nats_url: str
    nats_monitor_url: str | None
    database_url: str
    host: str
    api_port: int | None = None
    jobs_port: int | None = None
    sidecar_port: int | None = None
    daemon_port: int | None = None
    central_port: int | None = None
    site: str | None = None
    own_site_only: bool | None = None
    sites: str | None = None
    pid: int = Field(default_factory=os.getpid)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def api_url(self) -> str | None:
        """The address of the sessions and operations API."""
        return self._url(self.api_port)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def jobs_url(self) -> str | None:
        """The address of the jobs API of this site."""
        return self._url(self.jobs_port)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def sidecar_url(self) -> str | None:
        """The address of the sidecar."""
        return self._url(self.sidecar_port)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def daemon_url(self) -> str | None:
        """The address of the session daemon."""
        return self._url(self.daemon_port)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def central_url(self) -> str | None:
        """The address of the jobs API of all sites."""
        return self._url(self.central_port)

    def _url(self, port: int | None) -> str | None:
        return None if port is None else f"http://{reachable_host(self.host)}:{port}"

    def settings(self) -> dict[str, Any]:
        """The addresses as settings."""
        return self.model_dump(exclude=_OWN, exclude_none=True)

    def environment(self) -> dict[str, str]:
        """The addresses as variables for a child."""
        return {f"FOLDLINE_{key.upper()}": str(value) for key, value in self.settings().items()}

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


def resolve(settings: Settings, *, database: bool = True) -> Settings:
    """`settings` with the addresses nobody set taken from the stack that runs in its data directory.

    Raises Problem when no PostgreSQL is known and `database` says that one is needed.
    """
    found: dict[str, Any] = {}
    if stack := load_stack(settings.data_dir):
        addresses = stack.settings()
        found = {key: value for key, value in addresses.items() if key not in settings.model_fields_set}
    resolved = settings.model_copy(update=found)
    if database and resolved.database_url is None:
        raise Problem("no PostgreSQL: start `foldline up` or set FOLDLINE_DATABASE_URL")
    return resolved
