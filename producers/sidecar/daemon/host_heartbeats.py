"""Heartbeats for the sessions of a machine that is awake."""

from collections.abc import Callable, Sequence
from typing import Final

from producers.publishing.publisher import Ack, Publisher
from producers.sidecar.daemon.facts import SessionFacts
from producers.sidecar.daemon.watched_session import WatchedSession
from producers.sidecar.spool import Spool

_SEND_S: Final = 2.0


class Heartbeats:
    """Sends heartbeats while the line answers and nothing waits for it in the spool.

    They are never spooled: a heartbeat counts from when it is stored, and an old one would tell of a life
    that may be over. And none overtakes facts of its session.
    """

    def __init__(self, publisher: Callable[[], Publisher | None], spool: Spool, facts: SessionFacts) -> None:
        self._publisher = publisher
        self._spool = spool
        self._facts = facts

    async def send(self, sessions: Sequence[WatchedSession]) -> list[WatchedSession]:
        """Send a heartbeat for each session; returns the sessions whose heartbeat is stored."""
        publisher = self._publisher()
        if publisher is None or self._spool.depth.facts or not sessions:
            return []
        beats = [self._facts.heartbeat(session.record.id) for session in sessions]
        outcomes = await publisher.publish_many(beats, timeout=_SEND_S)
        return [
            session for session, outcome in zip(sessions, outcomes, strict=True) if isinstance(outcome, Ack)
        ]
