"""The life of a process: begin, run, drain.

Everything is registered while the process is wired, which needs no server; nothing happens before `started`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
)
from typing import Any

from runtime.process.starting import start_with_retry

Step = Callable[[], Awaitable[Any]]
Background = AbstractAsyncContextManager[Any] | AbstractContextManager[Any]


class Lifecycle:
    """Steps of a start, what runs as long as the process, and what is waited for at its end.

    A start that servers interrupt is tried again for `timeout` seconds.
    """

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout
        self._beginning: list[Step] = []
        self._background: list[Background] = []
        self._draining: list[Step] = []
        self._closing: list[Step] = []

    def begin(self, step: Step) -> None:
        """Add a step of the start, behind those that are there.

        It raises Problem where the process cannot start, and may be called again when a later step failed.
        """
        self._beginning.append(step)

    def run(self, background: Background) -> None:
        """Add what runs as long as the process: entered in this order, left in the opposite one."""
        self._background.append(background)

    def drain(self, step: Step) -> None:
        """Add what is waited for at the end, when everything in the background has ended."""
        self._draining.append(step)

    def close(self, step: Step) -> None:
        """Add what is closed last of all, whether or not the start was a success."""
        self._closing.append(step)

    @asynccontextmanager
    async def started(self) -> AsyncIterator[None]:
        """Start, and run for the length of the block. Raises Problem when that cannot be begun."""
        async with AsyncExitStack() as stack:
            for closing in self._closing:
                stack.push_async_callback(closing)
            await start_with_retry(self._begin, timeout=self._timeout)
            for draining in self._draining:
                stack.push_async_callback(draining)
            for background in self._background:
                if isinstance(background, AbstractAsyncContextManager):
                    await stack.enter_async_context(background)
                else:
                    stack.enter_context(background)
            yield

    async def _begin(self) -> None:
        for step in self._beginning:
            await step()
