"""A service: a child the supervisor starts, asks whether it is ready, and stops."""

import signal
import time
from abc import ABC, abstractmethod
from pathlib import Path

from foldline.embedded.process import Process
from runtime.problems import Problem

_POLL = 0.02


class Service(ABC):
    """One child process with a readiness of its own. All methods block.

    `spawn` returns at once, and may be called again after the child died: same ports, same data. It is called
    on the main thread, so that the child cannot outlive us. `start` is `spawn` and the wait until `is_ready`.
    """

    name: str
    stop_timeout: float = 10.0  # seconds until a stop becomes a kill
    hurry_signal: signal.Signals = signal.SIGKILL  # what ends it at once without harm to its data

    def __init__(self, log: Path) -> None:
        self.log = log
        self.process: Process | None = None

    @abstractmethod
    def spawn(self) -> None:
        """Start without waiting, with the data of an earlier run. Raises Problem."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Ask the child itself, for two seconds at most. Does not raise while it is starting."""

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.running

    def start(self, timeout: float = 60.0) -> None:
        """Start, and wait until it is ready. Raises Problem with the end of its log, after stopping it."""
        self.spawn()
        deadline = time.monotonic() + timeout
        while not self.is_ready():
            if not self.running or time.monotonic() > deadline:
                self.stop()
                raise self.problem("did not start")
            time.sleep(_POLL)

    def problem(self, what: str) -> Problem:
        """A Problem that says what happened to it, with the end of its log."""
        details = self.process.last_lines() if self.process else ()
        return Problem(f"{self.name} {what}; its log is {self.log}", details=details)

    def stop(self) -> None:
        """Ask it to stop, and kill it when that takes longer than `stop_timeout`."""
        if self.process is not None:
            self.process.stop(self.stop_timeout)

    def kill(self) -> None:
        """Send SIGKILL, which is like a crash; `start` brings it back."""
        if self.process is not None:
            self.process.kill()
