"""One run of `foldline up` by its driver, seen from outside."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from tests.support.processes import ROOT

PORTS = tuple(
    f"FOLDLINE_{name}_PORT" for name in ("API", "JOBS", "SIDECAR", "DAEMON", "NATS", "NATS_MONITOR")
)
FREE_PORTS = dict.fromkeys(PORTS, "0")


class UpRun:
    """A supervisor as a child; what it started is gone when the context is left, whatever the test did."""

    def __init__(
        self, data_dir: Path, *flags: str, command: list[str] | None = None, **settings: str
    ) -> None:
        self.data_dir = data_dir
        environment = {key: value for key, value in os.environ.items() if not key.startswith("FOLDLINE_")}
        self._process = subprocess.Popen(
            command or [sys.executable, "-m", "tests.support.up_driver", str(data_dir), *flags],
            cwd=ROOT,
            env=environment | FREE_PORTS | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._seen: dict[int, psutil.Process] = {}
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.children()
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        for child in self._seen.values():
            try:
                child.kill()
            except psutil.NoSuchProcess:
                continue

    def ready(self) -> dict[str, Any]:
        """Wait until it is ready and return its addresses."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(self.end()[1])
        stack: dict[str, Any] = json.loads(line)
        self.children()
        return stack

    def directory(self) -> Path:
        """Return the data directory, which it names after the addresses."""
        assert self._process.stdout is not None
        return Path(self._process.stdout.readline().strip())

    def child(self, name: str) -> psutil.Process | None:
        """Return the process of a service by its present pid file, None while it is down."""
        try:
            recorded = json.loads((self.data_dir / "run" / f"{name}.pid").read_text())
            child = psutil.Process(recorded["pid"])
            return None if child.status() == psutil.STATUS_ZOMBIE else child
        except (OSError, psutil.NoSuchProcess):
            return None

    def children(self) -> list[psutil.Process]:
        """Return everything it runs, and remember it for the end."""
        try:
            found: list[psutil.Process] = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            found = []
        self._seen.update((child.pid, child) for child in found)
        return found

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def press_ctrl_c(self) -> None:
        """Send SIGINT to its process group, as a terminal does."""
        os.killpg(self.pid, signal.SIGINT)

    def end(self, timeout: float = 40.0) -> tuple[int, str]:
        """Wait for the end and return the exit code and what it wrote to stderr."""
        _, said = self._process.communicate(timeout=timeout)
        return self._process.returncode, said

    def stop(self) -> tuple[int, str]:
        self.send(signal.SIGTERM)
        return self.end()

    def gone(self) -> bool:
        """Return whether nothing it ever ran still runs."""
        return not any(child.is_running() and child.status() != "zombie" for child in self._seen.values())
