"""The worker processes of a rebuild or a verification: started together, replaced when one dies."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from consumers.control.worker import Order
from runtime.problems import Problem
from runtime.process.tasks import in_any_case
from runtime.settings import Settings, environment_of

_ARGUMENTS: Final = ("-m", "consumers.control.worker")
_DEATHS: Final = 5  # in a row, before a cause is looked for instead of trying again
_PATIENCE: Final = 10.0


class Workers:
    """Keeps `count` of them running; `check` raises Problem when they keep dying."""

    def __init__(self, order: Order, config: Settings, count: int) -> None:
        self._order = order.model_copy(update={"workers": count})
        self._config = config
        self._count = count
        self._running: list[asyncio.subprocess.Process] = []
        self._deaths = 0

    async def start(self) -> None:
        """Start what is missing."""
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
                    process.stdin.write(self._order.model_dump_json().encode() + b"\n")
                    await process.stdin.drain()

    async def check(self) -> None:
        """Replace the dead."""
        dead = [process for process in self._running if process.returncode is not None]
        self._deaths += len(dead)
        if self._deaths >= _DEATHS:
            raise Problem(
                f"the workers of {self._order.projection} keep dying, the last one with exit code "
                f"{dead[-1].returncode}: their messages are above"
            )
        self._running = [process for process in self._running if process.returncode is None]
        await self.start()

    def worked(self) -> None:
        """There was progress: deaths before it do not count any more."""
        self._deaths = 0

    async def stop(self) -> None:
        """End their input and wait; one that does not listen is killed. Cancelled, it still waits."""
        for process in self._running:
            if process.stdin is not None:
                process.stdin.close()
        await in_any_case(asyncio.gather(*(_ended(process) for process in self._running)))


@asynccontextmanager
async def workers(order: Order, config: Settings, count: int) -> AsyncIterator[Workers]:
    """Workers for the length of a block."""
    team = Workers(order, config, count)
    try:
        await team.start()
        yield team
    finally:
        await team.stop()


async def _ended(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.wait(), _PATIENCE)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()
