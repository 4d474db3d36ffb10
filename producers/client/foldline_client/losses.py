"""What the bounded buffer could not keep: counted by session, told on the line when it is back."""

import time
from collections import Counter
from dataclasses import dataclass, field
from threading import RLock
from typing import Final

from foldline_client.bodies import event_body
from foldline_client.items import Item, SessionRef, time_text

DROPPED_EVENT: Final = "foldline_client_dropped"
_TELL_AFTER: Final = 5.0  # seconds between two notices of one overflow that does not end
_MOST_SESSIONS: Final = 1_000


@dataclass(slots=True)
class _Loss:
    ref: SessionRef
    facts: Counter[str] = field(default_factory=Counter)
    since: str = field(default_factory=time_text)
    until: str = ""


class Losses:
    """Dropped facts not yet told. Any thread may call any method."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._by_session: dict[str, _Loss] = {}
        self._told = 0.0
        self.total = 0

    def add(self, item: Item) -> bool:
        """Count one; says whether it is the first of a burst."""
        with self._lock:
            first = not self._by_session
            self.total += 1
            if item.ref.id not in self._by_session and len(self._by_session) >= _MOST_SESSIONS:
                return first  # in the total only: what is told stays bounded as well
            loss = self._by_session.setdefault(item.ref.id, _Loss(item.ref))
            loss.facts[item.fact] += 1
            loss.until = time_text()
            return first

    def take(self, *, calm: bool) -> list[tuple[SessionRef, bytes]]:
        """The notices that are due, as event bodies: when the burst is over, or every few seconds."""
        if not self._by_session:
            return []
        now = time.monotonic()
        if not calm and now - self._told < _TELL_AFTER:
            return []
        with self._lock:
            losses, self._by_session = list(self._by_session.values()), {}
        self._told = now
        return [(loss.ref, _notice(loss)) for loss in losses]


def _notice(loss: _Loss) -> bytes:
    total = loss.facts.total()
    return event_body(
        DROPPED_EVENT,
        time=time_text(),
        level="warning",
        category="warning",
        group="foldline_client",
        message=f"the client's buffer was full: {total} facts were not recorded",
        data={"dropped": dict(loss.facts), "total": total, "since": loss.since, "until": loss.until},
    )
