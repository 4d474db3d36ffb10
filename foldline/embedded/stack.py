"""How other commands find what `foldline up` runs."""

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from foldline.embedded.layout import Layout
from foldline.embedded.lock import is_held
from foldline.embedded.ports import reachable_host
from runtime.problems import Problem
from runtime.settings import Settings

_ADDRESSES = {
    "nats_url",
    "nats_monitor_url",
    "database_url",
    "host",
    "api_port",
    "jobs_port",
    "sidecar_port",
    "daemon_port",
}


class Stack(BaseModel, frozen=True):
    """The addresses of a running `foldline up`, as it wrote them under its data directory."""

    nats_url: str
    nats_monitor_url: str | None
    database_url: str
    host: str
    api_port: int
    jobs_port: int
    sidecar_port: int
    daemon_port: int
    api_url: str
    jobs_url: str
    sidecar_url: str
    daemon_url: str
    pid: int

    @classmethod
    def of(
        cls,
        *,
        nats_url: str,
        nats_monitor_url: str | None,
        database_url: str,
        host: str,
        api_port: int,
        jobs_port: int,
        sidecar_port: int,
        daemon_port: int,
    ) -> "Stack":
        """The stack of this process."""
        return cls(
            nats_url=nats_url,
            nats_monitor_url=nats_monitor_url,
            database_url=database_url,
            host=host,
            api_port=api_port,
            jobs_port=jobs_port,
            sidecar_port=sidecar_port,
            daemon_port=daemon_port,
            api_url=f"http://{reachable_host(host)}:{api_port}",
            jobs_url=f"http://{reachable_host(host)}:{jobs_port}",
            sidecar_url=f"http://{reachable_host(host)}:{sidecar_port}",
            daemon_url=f"http://{reachable_host(host)}:{daemon_port}",
            pid=os.getpid(),
        )

    def environment(self) -> dict[str, str]:
        """The same for a child, as the variables it reads."""
        addresses = self.model_dump(include=_ADDRESSES, exclude_none=True)
        return {f"FOLDLINE_{key.upper()}": str(value) for key, value in addresses.items()}

    def save(self, path: Path) -> None:
        """Readable by its owner only: an address may hold a password."""
        part = path.with_name(path.name + ".part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self.model_dump_json(indent=2) + "\n")
        part.replace(path)


def load_stack(data_dir: Path) -> Stack | None:
    """The stack that runs on `data_dir` now; None when none does, whatever a killed one left written."""
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
        addresses = stack.model_dump(include=_ADDRESSES)
        found = {key: value for key, value in addresses.items() if key not in settings.model_fields_set}
    resolved = settings.model_copy(update=found)
    if database and resolved.database_url is None:
        raise Problem("no PostgreSQL: start `foldline up` or set FOLDLINE_DATABASE_URL")
    return resolved
