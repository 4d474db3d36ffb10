"""Consumers, APIs and other commands as processes; whatever a test does, they are ended by their pid."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import pytest

from foldline.settings import Settings
from tests.support.forked import ForkedProgram
from tests.support.waiting import wait_until_sync

ROOT = Path(__file__).parents[2]
CONSUMER = ("consumer",)
API = ("api",)


def environment(settings: Settings) -> dict[str, str]:
    """Return our environment without FOLDLINE_*, plus what `settings` were given explicitly."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FOLDLINE_")}
    given = {
        f"FOLDLINE_{name.upper()}": str(value)
        for name in settings.model_fields_set
        if (value := getattr(settings, name)) is not None
    }
    return kept | given | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "producers" / "client")])}


def _fork(arguments: Sequence[str], env: dict[str, str], log: Path) -> ForkedProgram:
    return ForkedProgram(arguments, env=env, cwd=log.parent, stdout=log)


def _start(arguments: Sequence[str], env: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "foldline", *arguments],
            env=env,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


class ProcessUnderTest:
    """One run of `foldline` with its output in a file.

    It is forked, unless the start itself matters or `extra` has a PYTHONPATH.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        settings: Settings,
        folder: Path,
        *,
        forked: bool = True,
        **extra: str,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.log.touch()
        env = environment(settings) | extra
        begin = _fork if forked and "PYTHONPATH" not in extra else _start
        self._process = begin(arguments, env, self.log)
        self.pid = self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def text(self) -> str:
        """Return what it has written so far."""
        return self.log.read_text(errors="replace")

    def wait_for(self, line: str, timeout: float = 30.0) -> None:
        """Wait until its log holds `line`."""
        wait_until_sync(lambda: line in self.text() or self._ended(), timeout, what=f"{self.name}: {line!r}")

    def _ended(self) -> bool:
        if not self.running:
            raise AssertionError(f"{self.name} ended with {self._process.returncode}:\n{self.text()[-4000:]}")
        return False

    def send(self, number: signal.Signals) -> None:
        if self.running:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        self.send(signal.SIGKILL)
        self._process.wait()

    def wait(self, timeout: float = 60.0) -> int:
        """Wait until it ends by itself and return its exit code."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end:\n{self.text()[-4000:]}") from None

    def stop(self, timeout: float = 20.0) -> int:
        """End it by SIGTERM and return its exit code; if that takes too long, kill it and fail the test."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop:\n{self.text()[-4000:]}") from None


class Processes:
    """All children of one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.all: list[ProcessUnderTest] = []

    def start(
        self, name: str, arguments: Sequence[str], settings: Settings, **extra: str
    ) -> ProcessUnderTest:
        """Start a child; `extra` are further variables of its environment."""
        process = ProcessUnderTest(name, arguments, settings, self.folder, **extra)
        self.all.append(process)
        return process

    def consumer(self, settings: Settings, name: str = "consumer") -> ProcessUnderTest:
        """Start a consumer; `wait_for("follows the line")` returns when it is ready."""
        return self.start(f"{name}-{len(self.all)}", CONSUMER, settings)

    def api(self, settings: Settings) -> ProcessUnderTest:
        """Start the API on `settings.api_port`."""
        return self.start(f"api-{len(self.all)}", API, settings)

    def logs(self) -> list[tuple[str, str]]:
        """Return the name and the end of the log of each child."""
        return [(process.name, process.text()[-6000:]) for process in self.all]

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.all:
            process.kill()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """A starter of processes; whatever still runs at the end of the test is killed."""
    started = Processes(tmp_path)
    yield started
    started.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what a failed test's processes wrote."""
    report = yield
    processes = getattr(item, "funcargs", {}).get("processes")
    if report.failed and isinstance(processes, Processes):
        report.sections += [(f"end of the log of {name}", text) for name, text in processes.logs()]
    return report
