"""A daemon thread that runs a pump, so that a program without an event loop never waits."""

import asyncio
import atexit
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from foldline_client.errors import logger
from foldline_client.pump import SENDING, Pump


class PumpThread:
    """One thread, one event loop, one pump. `make_pump` makes another for a forked child."""

    def __init__(self, make_pump: Callable[[], Pump], exit_timeout: float) -> None:
        self._make_pump = make_pump
        self._exit_timeout = exit_timeout
        self._reset()
        self._start()

    @property
    def pump(self) -> Pump:
        """The pump of this process. In a forked child the thread starts with the first use."""
        if self._thread is None:
            self._start()
        return self._pump

    def flush(self, timeout: float) -> bool:
        """Wait until everything taken in so far is answered; False if `timeout` seconds were not enough."""
        answered = threading.Event()
        self.pump.buffer.when_settled(answered.set)
        return answered.wait(timeout)

    def close(self, timeout: float) -> bool:
        """Flush and end the thread. False: it took longer than `timeout` and goes on by itself."""
        pump, thread = self.pump, self._thread
        pump.close()
        if thread is not None:
            thread.join(timeout)
        return pump.buffer.unsettled == 0

    def close_at_exit(self, deadline: float) -> None:
        """Close within what is left of the exit's time, and log how many facts are lost."""
        if not self.close(max(0.0, min(deadline - time.monotonic(), self._exit_timeout))):
            logger.warning(
                "%d facts are lost with the process: not delivered within exit_timeout=%g s",
                self._pump.buffer.unsettled,
                self._exit_timeout,
            )

    @property
    def exit_timeout(self) -> float:
        """The seconds that the interpreter's exit may wait."""
        return self._exit_timeout

    def forget_parent(self) -> None:
        """Start empty in a forked child: the parent sends what it buffered, and its thread is not here."""
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._pump = self._make_pump()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="foldline-client", daemon=True)
                # Held until the thread ends: a session that nobody holds any more is sent as well.
                _live.add(self)
                self._thread.start()

    def _run(self) -> None:
        SENDING.set(True)  # before the loop is made: asyncio logs that as well
        try:
            with asyncio.Runner(loop_factory=_Loop) as runner:
                runner.run(self._pump.run())
        finally:
            _live.discard(self)


class _Loop(asyncio.SelectorEventLoop):
    """Looks names up in its own thread: the usual pool refuses work while the interpreter exits."""

    async def getaddrinfo(self, host: Any, port: Any, **hints: Any) -> list[Any]:
        # Only this thread waits, and it has nothing else to send.
        return socket.getaddrinfo(host, port, **hints)


def _at_exit() -> None:
    workers = list(_live)
    deadline = time.monotonic() + max((worker.exit_timeout for worker in workers), default=0.0)
    for worker in workers:
        worker.close_at_exit(deadline)


def _after_fork() -> None:
    for worker in list(_live):
        worker.forget_parent()


_live: Final[set[PumpThread]] = set()
atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
