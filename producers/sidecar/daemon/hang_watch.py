"""The hang watch: the daemon's rounds, in which it finds applications that hang or are gone.

The same rounds send the totals that changed and the heartbeats that are due.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from producers.sidecar.daemon.host_heartbeats import Heartbeats
from producers.sidecar.daemon.parent_process import is_alive
from producers.sidecar.daemon.sessions import Sessions
from producers.sidecar.daemon.watched_session import WatchedSession
from runtime.http.errors import HttpProblem
from runtime.process.tasks import cancel_and_wait
from runtime.settings.processes import SidecarSettings

logger = logging.getLogger("foldline.daemon")

SessionWork = Callable[[WatchedSession], Awaitable[None]]

_BEAT_ROUND_S: Final = 1.0  # how late the first heartbeat of a session may be, or one after an outage
_LATE_S: Final = 1.0


class HangWatch:
    """Makes the daemon's rounds over its sessions for the length of `run`."""

    def __init__(self, sessions: Sessions, heartbeats: Heartbeats, settings: SidecarSettings) -> None:
        self._sessions = sessions
        self._heartbeats = heartbeats
        self._settings = settings
        self._checked_at = time.monotonic()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Make the rounds for the length of the block; totals are sent once more on leaving."""
        settings = self._settings
        rounds = (
            (settings.daemon_flush_interval, self.flush),
            (settings.daemon_check_interval, self.check),
            (min(_BEAT_ROUND_S, settings.daemon_heartbeat_interval), self.beat),
        )
        tasks = [asyncio.create_task(_every(interval, work)) for interval, work in rounds]
        try:
            yield
        finally:
            await cancel_and_wait(*tasks)
            await self.flush()

    async def flush(self) -> None:
        """Publish the totals that changed."""
        unsent = [session for session in self._sessions.live() if session.unsent]
        await _each(unsent, _alone(self._sessions.flush))

    async def check(self) -> None:
        """Publish which processes are gone or hang, and the ends that could not be published before."""
        live = self._sessions.live()
        gone = await asyncio.to_thread(_gone, live)
        await _each(gone, _alone(lambda session: self._sessions.end(session, "crashed")))
        await _each(self._sessions.ending(), self._finish_one)
        if self._was_late():
            return
        silent = [session for session in self._sessions.live() if self._is_silent(session)]
        await _each(silent, _alone(self._publish_hang))

    async def beat(self) -> None:
        """Publish the heartbeats that are due. They speak for the host alone: a hang goes on."""
        now = time.monotonic()
        due = [
            session
            for session in self._sessions.live()
            if session.beaten_at is None
            or now - session.beaten_at >= self._settings.daemon_heartbeat_interval
        ]
        for session in await self._heartbeats.send(due):
            session.beaten_at = now

    def _was_late(self) -> bool:
        """Whether this process itself did not run for a while: heartbeats may lie unread."""
        before, self._checked_at = self._checked_at, time.monotonic()
        return self._checked_at - before > 2 * self._settings.daemon_check_interval + _LATE_S

    def _is_silent(self, session: WatchedSession) -> bool:
        """Whether the next heartbeat is overdue; a session that never sent one is not watched."""
        record = session.record
        return (
            not (record.hung or record.paused)
            and record.last_heartbeat is not None
            and time.monotonic() - session.silent_since > self._settings.heartbeat_timeout
        )

    async def _publish_hang(self, session: WatchedSession) -> None:
        if self._is_silent(session):
            silence = time.monotonic() - session.silent_since
            await self._sessions.accept([self._sessions.facts.hung(session.record, silence)])
            await self._sessions.change(session, hung=True)

    async def _finish_one(self, session: WatchedSession) -> None:
        async with session.lock:
            await self._sessions.finish(session)


def _alone(work: SessionWork) -> SessionWork:
    """Return `work` that waits for the session's turn, and does nothing if the session has ended by then."""

    async def one(session: WatchedSession) -> None:
        async with session.lock:
            if session.record.ending is None:
                await work(session)

    return one


async def _each(sessions: Sequence[WatchedSession], work: SessionWork) -> None:
    """Run `work` for all sessions at once, for their facts are carried as one group; log what failed."""
    outcomes = await asyncio.gather(*map(work, sessions), return_exceptions=True)
    for session, outcome in zip(sessions, outcomes, strict=True):
        if isinstance(outcome, HttpProblem):
            logger.warning("session %s: %s", session.record.id, outcome.details)
        elif isinstance(outcome, Exception):
            logger.error("session %s: the round failed", session.record.id, exc_info=outcome)


def _gone(sessions: Iterable[WatchedSession]) -> list[WatchedSession]:
    return [session for session in sessions if not is_alive(session.record.parent_pid, session.record.birth)]


async def _every(interval: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(interval)
        try:
            await work()
        except Exception:  # our own bug must not end the rounds
            logger.exception("a round of the daemon failed")
