"""Reads of single sessions go together: what waits when a query comes back is the next query.

A query costs several times what one more session in it costs, so under load more is answered. Nothing waits
for company: one that finds a query free goes alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from projections.sessions.views import ServedSession, SessionRef

Ask = Callable[[Sequence[SessionRef], int | None], Awaitable[Sequence[ServedSession]]]
"""Reads sessions, in order; no body of those with longer timelines or histories than the bound (or None)."""

_MOST: Final = 32  # sessions of one query
_LONGEST: Final = 1_000  # events and metrics, or patches, of a session others may have to wait for


class Together:
    """Shares at most `queries` queries at a time among everybody who reads a session."""

    def __init__(self, ask: Ask, *, queries: int) -> None:
        self._ask = ask
        self._queries = queries
        self._waiting: dict[SessionRef, list[asyncio.Future[ServedSession]]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def read(self, asked: SessionRef) -> ServedSession:
        """One session as it is after this call began. Raises what `ask` raises."""
        answer: asyncio.Future[ServedSession] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(asked, []).append(answer)
        self._start()
        found = await answer
        if found.body is None and len(found.sites) == 1:
            (found,) = await self._ask([asked], None)  # a long one: nobody else waits for it
        return found

    def _start(self) -> None:
        while self._waiting and len(self._running) < self._queries:
            group = dict(list(self._waiting.items())[:_MOST])
            for asked in group:
                del self._waiting[asked]
            task = asyncio.create_task(self._answer(group))
            self._running.add(task)
            task.add_done_callback(partial(self._finished, group))

    def _finished(
        self, group: dict[SessionRef, list[asyncio.Future[ServedSession]]], task: asyncio.Task[None]
    ) -> None:
        self._running.discard(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        for answer in (answer for answers in group.values() for answer in answers if not answer.done()):
            answer.set_exception(error or RuntimeError("a session was not answered"))
        self._start()

    async def _answer(self, group: dict[SessionRef, list[asyncio.Future[ServedSession]]]) -> None:
        found = await self._ask(list(group), _LONGEST)
        for answers, document in zip(group.values(), found, strict=True):
            for answer in answers:
                if not answer.done():
                    answer.set_result(document)
