"""Stop signals that the main thread can wait for."""

import os
import select
import signal
from types import FrameType, TracebackType
from typing import Any, Self

_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Counts requests to stop, and ends `wait` at once on any of them or when a child ends.

    A context of the main thread; leaving it restores the former handlers.
    """

    def __init__(self) -> None:
        self.requests = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in _STOP:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup
            self._before[number] = signal.signal(number, self._stop)
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, self._wake)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._read)
        os.close(self._write)

    def wait(self, timeout: float) -> None:
        """Wait until a signal comes, at most `timeout` seconds."""
        if select.select([self._read], [], [], timeout)[0]:
            try:
                os.read(self._read, 4096)
            except BlockingIOError:
                return

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.requests += 1

    def _wake(self, number: int, frame: FrameType | None) -> None:
        """The byte in the pipe is all that is needed; without a handler there would be none."""
