"""A worker: one of our own processes, such as the API or a consumer, as a child."""

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
    """This Python with arguments and variables.

    Ready when `ready_url` answers 200; without one as soon as it runs, since it waits for servers itself.
    """

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
            # Orphans are killed at once: their successors do again whatever they had in flight.
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
