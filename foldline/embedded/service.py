"""What everything the supervisor runs has in common: started, asked whether it is ready, stopped."""

import signal
import time
from abc import ABC, abstractmethod
from pathlib import Path

from foldline.embedded.process import Process
from runtime.problems import Problem

_POLL = 0.02


class Service(ABC):
    """One child with a readiness of its own. Synchronous.

    `spawn` returns at once and may be called again after the child died: same ports, same data; on the main
    thread, so that the child cannot outlive us. `start` is `spawn` and the wait until `is_ready`.
    """

    name: str
    stop_timeout: float = 10.0  # seconds until a stop becomes a kill
    hurry_signal: signal.Signals = signal.SIGKILL  # what ends it at once without harm to its data

    def __init__(self, log: Path) -> None:
        self.log = log
        self.process: Process | None = None

    @abstractmethod
    def spawn(self) -> None:
        """Start without waiting, on what an earlier life left behind. Raises Problem."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Ask the child itself, for at most a second or two. Never raises for one still starting."""

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.running

    def start(self, timeout: float = 60.0) -> None:
        """Start and wait until it serves. Raises Problem with the end of its log, having stopped it."""
        self.spawn()
        deadline = time.monotonic() + timeout
        while not self.is_ready():
            if not self.running or time.monotonic() > deadline:
                self.stop()
                raise self.problem("did not start")
            time.sleep(_POLL)

    def problem(self, what: str) -> Problem:
        """What happened to it in one line, with the end of its log."""
        details = self.process.last_lines() if self.process else ()
        return Problem(f"{self.name} {what}; its log is {self.log}", details=details)

    def stop(self) -> None:
        """Stop in good order; kills it when that takes longer than `stop_timeout`."""
        if self.process is not None:
            self.process.stop(self.stop_timeout)

    def kill(self) -> None:
        """SIGKILL, as a crash would; `start` brings it back."""
        if self.process is not None:
            self.process.kill()
