"""The way of a process's jobs to one address: a buffer and a thread, shared by all jobs that go there."""

import asyncio
import os
import threading
from contextlib import suppress
from typing import Final

from foldline_client.items import Item, SessionRef
from foldline_client.job_transports import job_transport
from foldline_client.losses import Losses
from foldline_client.options import Options
from foldline_client.pump import Pump
from foldline_client.transport import Outcome, Verdict
from foldline_client.worker import Worker

_IMPORTING_S: Final = 2.0


class _Untold(Losses):
    """Counts and warns as for sessions, but puts no notice on the line: jobs have no event for that."""

    def take(self, *, calm: bool) -> list[tuple[SessionRef, bytes]]:
        super().take(calm=calm)
        return []


class JobPump(Pump):
    """The pump, with what it says about jobs. `tried` is set when the first try to send has ended."""

    def __init__(self, url: str, options: Options) -> None:
        super().__init__(job_transport(url, options), options)
        self._losses = _Untold()
        self.tried = threading.Event()

    async def _try(self, items: list[Item]) -> list[Outcome]:
        try:
            return await super()._try(items)
        finally:
            self.tried.set()

    def _settled(self, item: Item, outcome: Outcome) -> bool:
        if outcome.verdict is Verdict.REJECTED:
            self.refuse(f"event {item.fact!r} of job {item.ref.id}: {outcome.reason}")
            return True
        return super()._settled(item, outcome)


class JobLine:
    """One address, connected in the background. Any thread may use it."""

    def __init__(self, url: str, options: Options) -> None:
        self.url = url
        self.options = options
        self._worker = Worker(self._make_pump, options.exit_timeout)
        self._waited_in_vain: tuple[Pump, int] | None = None

    @property
    def pump(self) -> Pump:
        """The pump of this process."""
        return self._worker.pump

    def flush(self, timeout: float) -> bool:
        """Wait until everything taken in so far is answered; False if `timeout` seconds were not enough.

        After a wait in vain the next ones do not wait, until something has been answered again: a server that
        is away costs a process with many jobs one time-out, not one a job.
        """
        if self._waited_in_vain == self._now():
            return self.pump.buffer.unsettled == 0
        return self._note(self._worker.flush(timeout))

    async def flush_async(self, timeout: float) -> bool:
        """The same without blocking the loop."""
        if self._waited_in_vain == self._now():
            return self.pump.buffer.unsettled == 0
        loop = asyncio.get_running_loop()
        answered = asyncio.Event()

        def answer() -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile: nobody waits
                loop.call_soon_threadsafe(answered.set)

        self.pump.buffer.when_settled(answer)
        try:
            async with asyncio.timeout(timeout):
                await answered.wait()
        except TimeoutError:
            return self._note(False)
        return self._note(True)

    def before_fork(self) -> None:
        """Let the first try end: it imports, and a child would inherit modules that are half imported."""
        if self._pump.buffer.unsettled:
            self._pump.tried.wait(_IMPORTING_S)
            self._pump.tried.set()  # however it ended: forks wait once

    def _make_pump(self) -> Pump:
        self._pump = JobPump(self.url, self.options)
        return self._pump

    def _note(self, in_time: bool) -> bool:
        self._waited_in_vain = None if in_time else self._now()
        return in_time

    def _now(self) -> tuple[Pump, int]:
        pump = self.pump
        stats = pump.stats()
        return pump, stats["delivered"] + stats["rejected"]


def line_to(url: str, options: Options) -> JobLine:
    """The process's line to an address, made when it is first asked for. Raises ValueError."""
    with _lock:
        for line in _lines:
            if (line.url, line.options) == (url, options):
                return line
        line = JobLine(url, options)
        _lines.append(line)
        return line


def _before_fork() -> None:
    for line in list(_lines):
        line.before_fork()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - a thread of the parent may have held it: nobody is left to release it
    _lock = threading.RLock()


_lines: Final[list[JobLine]] = []
_lock = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
