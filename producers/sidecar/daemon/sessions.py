"""The sessions a daemon watches over: found, begun, and ended, each one's requests in their order."""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

from producers.sidecar.daemon.facts import SessionFacts
from producers.sidecar.daemon.memory import Memory
from producers.sidecar.daemon.sent import Sent
from producers.sidecar.daemon.session import Record, Session
from runtime.http.errors import HttpProblem, session_not_found, unavailable
from schemas.facts import Fact
from schemas.times import format_time

logger = logging.getLogger("foldline.daemon")

Accept = Callable[[Sequence[Fact]], Awaitable[object]]
"""Facts are safe when it returns. Raises HttpProblem (503)."""

_MOST_SESSIONS: Final = 10_000
_FULL_RETRY_S: Final = 10


class Sessions:
    """All sessions of this host that have not ended. What is answered is on disk or on the line."""

    def __init__(self, *, accept: Accept, memory: Memory, facts: SessionFacts) -> None:
        self.accept = accept
        self.memory = memory
        self.facts = facts
        self._known: dict[str, Session] = {}

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Go on with what an earlier process knew; keep what this one does. Raises OSError, sqlite3.Error."""
        for record, tallies, sent in await self.memory.open():
            # Nothing tells how long it was silent while there was no daemon, nor which totals were sent.
            session = Session(record, time.monotonic(), Sent(sent), tallies, changed=set(tallies))
            self._known[record.id] = session
        try:
            yield
        finally:
            await self.memory.close(self._known.values())

    def live(self) -> list[Session]:
        """Those that go on, in the order in which they began; those of earlier processes first."""
        return [session for session in self._known.values() if session.record.ending is None]

    def ending(self) -> list[Session]:
        """Those whose end is decided and not yet told."""
        return [session for session in self._known.values() if session.record.ending is not None]

    def find(self, session_id: str) -> Session:
        """A session that has not ended. Raises HttpProblem (404)."""
        session = self._known.get(session_id)
        if session is None or session.record.ending is not None:
            raise session_not_found(session_id)
        return session

    @asynccontextmanager
    async def turn(self, session_id: str) -> AsyncIterator[Session]:
        """A session for one request, which has it alone. Raises HttpProblem (404)."""
        async with self.find(session_id).lock:
            yield self.find(session_id)  # once more: it may have ended meanwhile

    async def begin(self, record: Record, created: dict[str, Any]) -> None:
        """A new session: safe, and in memory. Raises InvalidFact, HttpProblem (503)."""
        if len(self._known) >= _MOST_SESSIONS:
            raise unavailable(f"{_MOST_SESSIONS} sessions run already", _FULL_RETRY_S)
        await self.accept([self.facts.fact(record.id, "created", created, once="created")])
        await self.memory.keep(record)
        session = Session(record, time.monotonic(), Sent({}))
        session.sent.note({"product": record.product, "version": record.version})
        self._known[record.id] = session

    async def change(self, session: Session, **changes: Any) -> None:
        """Change what is kept of a session whose turn it is."""
        # Here first: a hang that is told must not be told again because the disk is full.
        session.record = session.record.model_copy(update=changes)
        await self.memory.keep(session.record)

    async def flush(self, session: Session) -> None:
        """Send the totals that changed; it is the session's turn. Raises HttpProblem (503)."""
        if changed := list(session.changed):
            await self.accept(self._totals(session, changed))
            session.changed.difference_update(changed)

    async def end(self, session: Session, how: Literal["ended", "crashed"]) -> None:
        """The session is over; it is its turn. What cannot be told now is told later, by `finish`."""
        at = format_time(self.facts.now())
        await self.change(session, ending=how, ending_at=at, updated_at=at)
        try:
            await self.finish(session)
        except HttpProblem as exc:
            logger.warning("the end of session %s waits: %s", session.record.id, exc.details)

    async def finish(self, session: Session) -> None:
        """Tell the end that was decided; another try tells the same. Raises HttpProblem (503)."""
        if session.record.id not in self._known:
            return
        await self.accept([*self._totals(session, session.changed), *self.facts.last(session.record)])
        await self.memory.forget(session.record.id)
        self._known.pop(session.record.id, None)

    def _totals(self, session: Session, keys: Iterable[str]) -> list[Fact]:
        return [self.facts.total(session.record.id, key, session.tallies[key].metric()) for key in keys]
