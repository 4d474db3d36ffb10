"""The channel of a process's jobs to one address: a buffer and a thread that all of them share."""

import asyncio
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from foldline_client.items import Item
from foldline_client.job_transports import job_transport
from foldline_client.options import Options
from foldline_client.pump import Pump
from foldline_client.pump_thread import PumpThread
from foldline_client.transport import Outcome, Transport

_IMPORTING_S: Final = 2.0


class _FirstTry:
    """A transport that sets `over` when its first delivery has ended, however it ended."""

    def __init__(self, transport: Transport) -> None:
        self.over = threading.Event()
        self._transport = transport

    @property
    def address(self) -> str:
        return self._transport.address

    async def deliver(self, items: Sequence[Item]) -> list[Outcome]:
        try:
            return await self._transport.deliver(items)
        finally:
            self.over.set()

    async def close(self) -> None:
        await self._transport.close()


class JobChannel:
    """One address, connected in the background. Any thread may use it."""

    def __init__(self, url: str, options: Options) -> None:
        self.url = url
        self.options = options
        self._thread = PumpThread(self._make_pump, options.exit_timeout)
        self._waited_in_vain_at: tuple[Pump, int] | None = None

    @property
    def pump(self) -> Pump:
        """The pump of this process."""
        return self._thread.pump

    def flush(self, timeout: float) -> bool:
        """Wait until everything taken in so far is answered; False if `timeout` seconds were not enough.

        After a wait in vain the next calls do not wait until something has been answered again: a server that
        is away costs a process with many jobs one time-out, not one for each job.
        """
        if self._waited_in_vain_at == self._answered():
            return self.pump.buffer.unsettled == 0
        return self._note(self._thread.flush(timeout))

    async def flush_async(self, timeout: float) -> bool:
        """Wait like `flush`, without blocking the loop."""
        if self._waited_in_vain_at == self._answered():
            return self.pump.buffer.unsettled == 0
        loop = asyncio.get_running_loop()
        settled = asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile: nobody waits
                loop.call_soon_threadsafe(settled.set)

        self.pump.buffer.when_settled(wake)
        try:
            async with asyncio.timeout(timeout):
                await settled.wait()
        except TimeoutError:
            return self._note(False)
        return self._note(True)

    def before_fork(self) -> None:
        """Let the first try end: it imports, and a child would inherit modules that are half imported."""
        if self._pump.buffer.unsettled:
            self._first_try.over.wait(_IMPORTING_S)
            self._first_try.over.set()  # forks wait once, even if the try goes on

    def _make_pump(self) -> Pump:
        self._first_try = _FirstTry(job_transport(self.url, self.options))
        self._pump = Pump(self._first_try, self.options, "job")
        return self._pump

    def _note(self, in_time: bool) -> bool:
        self._waited_in_vain_at = None if in_time else self._answered()
        return in_time

    def _answered(self) -> tuple[Pump, int]:
        pump = self.pump
        stats = pump.stats()
        return pump, stats["delivered"] + stats["rejected"]


def channel_to(url: str, options: Options) -> JobChannel:
    """Return the process's channel to an address, made when it is first asked for. Raises ValueError."""
    with _lock:
        for channel in _channels:
            if (channel.url, channel.options) == (url, options):
                return channel
        channel = JobChannel(url, options)
        _channels.append(channel)
        return channel


def _before_fork() -> None:
    for channel in list(_channels):
        channel.before_fork()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - a thread of the parent may have held it: nobody is left to release it
    _lock = threading.RLock()


_channels: Final[list[JobChannel]] = []
_lock = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
