"""Facts that the full buffer dropped: counted by session, and reported on the line when it is back."""

import time
from collections import Counter
from dataclasses import dataclass, field
from threading import RLock
from typing import Final

from foldline_client.bodies import event_body
from foldline_client.items import Item, SessionRef, time_text

DROPPED_EVENT: Final = "foldline_client_dropped"
_REPORT_EVERY_S: Final = 5.0  # between two reports of one overflow that does not end
_MAX_SESSIONS: Final = 1_000


@dataclass(slots=True)
class _Loss:
    ref: SessionRef
    facts: Counter[str] = field(default_factory=Counter)
    since: str = field(default_factory=time_text)
    until: str = ""


class Losses:
    """Dropped facts that are not reported yet. Any thread may call any method."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._by_session: dict[str, _Loss] = {}
        self._reported_at = 0.0
        self.total = 0

    def add(self, item: Item) -> bool:
        """Count one dropped fact; True if it is the first of a burst."""
        with self._lock:
            first = not self._by_session
            self.total += 1
            if item.ref.id not in self._by_session and len(self._by_session) >= _MAX_SESSIONS:
                return first  # in the total only: reports are bounded as well
            loss = self._by_session.setdefault(item.ref.id, _Loss(item.ref))
            loss.facts[item.fact] += 1
            loss.until = time_text()
            return first

    def take(self, *, calm: bool) -> list[tuple[SessionRef, bytes]]:
        """Take the reports that are due, as event bodies: when the burst is over, or every few seconds."""
        if not self._by_session:
            return []
        now = time.monotonic()
        if not calm and now - self._reported_at < _REPORT_EVERY_S:
            return []
        with self._lock:
            losses, self._by_session = list(self._by_session.values()), {}
        self._reported_at = now
        return [(loss.ref, _report(loss)) for loss in losses]


def _report(loss: _Loss) -> bytes:
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
