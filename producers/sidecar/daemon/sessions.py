"""The sessions that a daemon watches over: begun, found and ended, one request at a time for each."""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

from producers.sidecar.daemon.facts import SessionFacts
from producers.sidecar.daemon.session_store import SessionStore
from producers.sidecar.daemon.state_filter import StateFilter
from producers.sidecar.daemon.watched_session import SessionRecord, WatchedSession
from runtime.http.errors import HttpProblem, session_not_found, unavailable
from schemas.facts import Fact
from schemas.times import format_time

logger = logging.getLogger("foldline.daemon")

Accept = Callable[[Sequence[Fact]], Awaitable[object]]
"""Stores facts on the line or in the spool before it returns. Raises HttpProblem 503."""

_MAX_SESSIONS: Final = 10_000
_FULL_RETRY_S: Final = 10


class Sessions:
    """All sessions of this host that have not ended. What a method did is on disk or on the line."""

    def __init__(self, *, accept: Accept, store: SessionStore, facts: SessionFacts) -> None:
        self.accept = accept
        self.store = store
        self.facts = facts
        self._known: dict[str, WatchedSession] = {}

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Take up an earlier process's sessions, and keep them at the end. Raises OSError, sqlite3.Error."""
        for record, aggregates, sent in await self.store.open():
            # Nobody knows how long it was silent while there was no daemon, nor which totals were sent.
            session = WatchedSession(
                record, time.monotonic(), StateFilter(sent), aggregates, unsent=set(aggregates)
            )
            self._known[record.id] = session
        try:
            yield
        finally:
            await self.store.close(self._known.values())

    def live(self) -> list[WatchedSession]:
        """Return the running sessions in the order of their beginnings, those of earlier processes first."""
        return [session for session in self._known.values() if session.record.ending is None]

    def ending(self) -> list[WatchedSession]:
        """Return the sessions whose end is decided and not published yet."""
        return [session for session in self._known.values() if session.record.ending is not None]

    def find(self, session_id: str) -> WatchedSession:
        """Return a running session. Raises HttpProblem 404."""
        session = self._known.get(session_id)
        if session is None or session.record.ending is not None:
            raise session_not_found(session_id)
        return session

    @asynccontextmanager
    async def turn(self, session_id: str) -> AsyncIterator[WatchedSession]:
        """Give a running session to one request at a time. Raises HttpProblem 404."""
        async with self.find(session_id).lock:
            yield self.find(session_id)  # again: it may have ended meanwhile

    async def begin(self, record: SessionRecord, created: dict[str, Any]) -> None:
        """Publish and keep a new session. Raises InvalidFact, HttpProblem 503."""
        if len(self._known) >= _MAX_SESSIONS:
            raise unavailable(
                f"{_MAX_SESSIONS} sessions run on this host, which is the most: end some of them",
                _FULL_RETRY_S,
            )
        await self.accept([self.facts.fact(record.id, "created", created, dedup_key="created")])
        await self.store.keep(record)
        session = WatchedSession(record, time.monotonic(), StateFilter({}))
        session.sent.note_sent({"product": record.product, "version": record.version})
        self._known[record.id] = session

    async def change(self, session: WatchedSession, **changes: Any) -> None:
        """Change the record of a session whose turn it is. Raises sqlite3.Error."""
        # In memory first: a hang that is published must not be published again because the disk is full.
        session.record = session.record.model_copy(update=changes)
        await self.store.keep(session.record)

    async def flush(self, session: WatchedSession) -> None:
        """Publish the totals that changed; it is the session's turn. Raises HttpProblem 503."""
        if unsent := list(session.unsent):
            await self.accept(self._totals(session, unsent))
            session.unsent.difference_update(unsent)

    async def end(self, session: WatchedSession, how: Literal["ended", "crashed"]) -> None:
        """End a session whose turn it is. If its end cannot be published now, a later `finish` does it."""
        at = format_time(self.facts.now())
        await self.change(session, ending=how, ending_at=at, updated_at=at)
        try:
            await self.finish(session)
        except HttpProblem as exc:
            logger.warning("the end of session %s is not published yet: %s", session.record.id, exc.details)

    async def finish(self, session: WatchedSession) -> None:
        """Publish the end that was decided; another try publishes the same facts. Raises HttpProblem 503."""
        if session.record.id not in self._known:
            return
        await self.accept([*self._totals(session, session.unsent), *self.facts.last(session.record)])
        await self.store.forget(session.record.id)
        self._known.pop(session.record.id, None)

    def _totals(self, session: WatchedSession, keys: Iterable[str]) -> list[Fact]:
        return [self.facts.total(session.record.id, key, session.aggregates[key].metric()) for key in keys]
