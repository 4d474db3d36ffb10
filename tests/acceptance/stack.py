"""The stack under test: one that is running already, or `foldline up` started for the tests."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.processes import ROOT
from tests.support.waiting import wait_until_sync

HEARTBEAT_TIMEOUT = 2
"""Seconds until a session of our own stack is silent: few, so that a test can wait for it."""

_SURFACES = ("api", "jobs", "sidecar", "daemon")
_GIVEN = tuple(f"ACCEPTANCE_{name.upper()}" for name in (*_SURFACES, "nats"))
_ADDRESSES = (
    "nats_url",
    "nats_monitor_url",
    "database_url",
    "host",
    *(f"{name}_port" for name in _SURFACES),
)


@dataclass(frozen=True)
class Stack:
    """The addresses of a stack, and what a `foldline` command needs to find it."""

    api: str
    jobs: str
    sidecar: str
    daemon: str
    nats: str  # may hold a name and a password
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    folder: Path | None = None  # of a stack of our own

    def environment(self) -> dict[str, str]:
        """Return our environment without FOLDLINE_*, with this stack's addresses."""
        return {**_environment(), "FOLDLINE_NATS_URL": self.nats, **self.settings}

    def replaced(self, text: str) -> str:
        """Return `text` with the documented addresses replaced by this stack's."""
        documented = {
            "http://localhost:9090": self.api,
            "http://localhost:18000": self.jobs,
            "http://localhost:8000": self.sidecar,
            "http://localhost:8079": self.daemon,
            "nats://localhost:4222": self.nats,
        }
        for theirs, ours in documented.items():
            text = text.replace(theirs, ours)
        return text

    def logs(self) -> list[tuple[str, str]]:
        """Return the name and the end of each log of our processes."""
        if self.folder is None:
            return []
        files = [self.folder / "up.log", *sorted(self.folder.glob("foldline-*/log/*.log"))]
        return [(file.name, file.read_text(errors="replace")[-4000:]) for file in files]


def is_given() -> bool:
    """Return whether ACCEPTANCE_API, _JOBS, _SIDECAR, _DAEMON and _NATS name a stack that runs."""
    given = [name for name in _GIVEN if os.environ.get(name)]
    if given and len(given) < len(_GIVEN):
        raise RuntimeError(f"only {', '.join(given)} is set: {', '.join(_GIVEN)} go together")
    return bool(given)


@contextmanager
def running_stack() -> Iterator[Stack]:
    """Use the given stack, or start one that is gone afterwards."""
    if is_given():
        yield Stack(*(os.environ[name].rstrip("/") for name in _GIVEN))
        return
    with _folder() as folder, _up(folder, ["--consumers", "2"], _SURFACES) as addresses:
        settings = {f"FOLDLINE_{name.upper()}": str(addresses[name]) for name in _ADDRESSES}
        urls = (addresses[f"{name}_url"] for name in (*_SURFACES, "nats"))
        yield Stack(*urls, settings, folder)


@contextmanager
def running_sites(*sites: str) -> Iterator[dict[str, Any]]:
    """Start sites and their centre, gone afterwards; gives the addresses that `foldline up` prints."""
    with _folder() as folder, _up(folder, ["--sites", ",".join(sites)], (*_SURFACES, "central")) as addresses:
        yield addresses


@contextmanager
def _folder() -> Iterator[Path]:
    # Not below pytest's folder: as root, another pytest that starts closes that one to PostgreSQL's user.
    folder = Path(tempfile.mkdtemp(prefix="foldline-test-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _up(folder: Path, options: Sequence[str], surfaces: Sequence[str]) -> Iterator[dict[str, Any]]:
    ports = [f"--{name}-port=0" for name in (*surfaces, "nats", "nats-monitor")]
    own = {"FOLDLINE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT), "TMPDIR": str(folder)}
    said, log = folder / "ready.json", folder / "up.log"
    with said.open("wb") as ready, log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "foldline", "up", "--ephemeral", "--json", *options, *ports],
            env=_environment() | own,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=ready,
            stderr=errors,
            start_new_session=True,
        )
    try:
        wait_until_sync(lambda: said.read_bytes().endswith(b"\n") or process.poll() is not None, 90)
        assert process.poll() is None, log.read_text()
        yield json.loads(said.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
    assert code == 0, log.read_text()
    assert not list(folder.glob("foldline-*")), "an ephemeral stack left its directory behind"


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FOLDLINE_")}
    return kept | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "producers" / "client")])}
