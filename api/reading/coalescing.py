"""Coalescing of reads: sessions asked for while a query runs are read together by the next query.

A query costs several times what one more session in it costs, so more reads are answered under load. No read
waits to be joined by others: while fewer than the allowed queries run, it starts one at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from projections.sessions.documents import ServedSession, SessionRef

ReadSessions = Callable[[Sequence[SessionRef]], Awaitable[Sequence[ServedSession]]]
"""Reads sessions, in order. Large ones come without a document: others would have to wait for them."""

_MOST_SESSIONS: Final = 32  # of one query

_Group = dict[SessionRef, list[asyncio.Future[ServedSession]]]


class CoalescedReads:
    """Reads single sessions for many callers by at most `queries` queries at a time."""

    def __init__(self, read_sessions: ReadSessions, *, queries: int) -> None:
        self._read_sessions = read_sessions
        self._queries = queries
        self._waiting: _Group = {}
        self._running: set[asyncio.Task[None]] = set()

    async def read(self, asked: SessionRef) -> ServedSession:
        """Read one session as it is after this call began. Raises what `read_sessions` raises."""
        answer: asyncio.Future[ServedSession] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(asked, []).append(answer)
        self._start_queries()
        return await answer

    def _start_queries(self) -> None:
        while self._waiting and len(self._running) < self._queries:
            group = dict(list(self._waiting.items())[:_MOST_SESSIONS])
            for asked in group:
                del self._waiting[asked]
            task = asyncio.create_task(self._query(group))
            self._running.add(task)
            task.add_done_callback(partial(self._finished, group))

    def _finished(self, group: _Group, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        for answer in (answer for answers in group.values() for answer in answers if not answer.done()):
            answer.set_exception(error or RuntimeError("a session was not answered"))
        self._start_queries()

    async def _query(self, group: _Group) -> None:
        found = await self._read_sessions(list(group))
        for answers, document in zip(group.values(), found, strict=True):
            for answer in answers:
                if not answer.done():
                    answer.set_result(document)
