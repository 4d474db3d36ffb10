"""The worker processes of a rebuild or a verification: started together, replaced when one dies."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from consumers.control.worker import Assignment
from runtime.problems import Problem
from runtime.process.tasks import wait_to_the_end
from runtime.settings.base import environment_of
from runtime.settings.database import FoldSettings

_ARGUMENTS: Final = ("-m", "consumers.control.worker")
_DEATHS: Final = 5  # in a row, before a cause is looked for instead of trying again
_STOP_S: Final = 10.0


class Workers:
    """A fixed number of worker processes. Whoever waits for their work calls `replace_dead` now and then."""

    def __init__(self, assignment: Assignment, config: FoldSettings, count: int) -> None:
        self._assignment = assignment.model_copy(update={"workers": count})
        self._config = config
        self._count = count
        self._running: list[asyncio.subprocess.Process] = []
        self._deaths = 0

    async def start(self) -> None:
        """Start as many as are missing."""
        while len(self._running) < self._count:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *_ARGUMENTS,
                stdin=asyncio.subprocess.PIPE,
                # Ctrl-C is for us alone: we close their input.
                start_new_session=True,
                env=os.environ | environment_of(self._config),
            )
            self._running.append(process)
            if process.stdin is not None:
                with suppress(ConnectionError):  # already dead: seen by the next check
                    process.stdin.write(self._assignment.model_dump_json().encode() + b"\n")
                    await process.stdin.drain()

    async def replace_dead(self) -> None:
        """Start a worker for each that has ended. Raises Problem when they keep dying without progress."""
        dead = [process for process in self._running if process.returncode is not None]
        self._deaths += len(dead)
        if self._deaths >= _DEATHS:
            raise Problem(
                f"{self._deaths} workers of {self._assignment.projection} died without progress, the last "
                f"one with exit code {dead[-1].returncode}: their log, on standard error, says why"
            )
        self._running = [process for process in self._running if process.returncode is None]
        await self.start()

    def forgive_deaths(self) -> None:
        """Count deaths anew, for there was progress."""
        self._deaths = 0

    async def stop(self) -> None:
        """Close their input and wait for their end, also when cancelled; kill those that take over 10 s."""
        for process in self._running:
            if process.stdin is not None:
                process.stdin.close()
        await wait_to_the_end(asyncio.gather(*(_ended(process) for process in self._running)))


@asynccontextmanager
async def running_workers(assignment: Assignment, config: FoldSettings, count: int) -> AsyncIterator[Workers]:
    """Run `count` workers for the length of a block."""
    workers = Workers(assignment, config, count)
    try:
        await workers.start()
        yield workers
    finally:
        await workers.stop()


async def _ended(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()
