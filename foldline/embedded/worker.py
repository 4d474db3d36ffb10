"""Our own processes as children: the API and the consumers."""

import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from foldline.embedded.process import Process
from foldline.embedded.service import Service


class Worker(Service):
    """This Python with some arguments and variables. Ready when `ready_url` answers 200, or, without one,
    as soon as it runs: what it needs it waits for itself."""

    stop_timeout = 15.0

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        pid_file: Path | None = None,
        ready_url: str | None = None,
    ) -> None:
        super().__init__(log)
        self.name = name
        self.ready_url = ready_url
        self._arguments = arguments
        self._env = env
        self._pid_file = pid_file

    def spawn(self) -> None:
        self.process = Process(
            self.name,
            [sys.executable, *self._arguments],
            log=self.log,
            pid_file=self._pid_file,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self._env},
            # Orphans need no farewell: whatever they had in flight is done again by their successors.
            orphan_signal=signal.SIGKILL,
        )
        self.process.spawn()

    def is_ready(self) -> bool:
        if self.ready_url is None:
            return self.running
        try:
            with urllib.request.urlopen(self.ready_url, timeout=2) as answer:  # noqa: S310 - our own http URL
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError, ValueError):
            return False
