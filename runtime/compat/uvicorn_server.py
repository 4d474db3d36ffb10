"""uvicorn's server, which tells at once when a signal asks it to stop, or leaves signals to others."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn


class SignalledServer(uvicorn.Server):
    """A server that calls `on_stop` in the event loop as soon as SIGTERM or SIGINT arrives.

    uvicorn itself only notes the signal, and looks at its note every 100 ms. When it has served its last
    request it raises the signal again, for the handler that was installed before its own.
    """

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._on_stop)
        super().handle_exit(sig, frame)


class SideServer(uvicorn.Server):
    """A server in a process whose signals others handle; `should_exit = True` ends it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
