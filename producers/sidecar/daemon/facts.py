"""The facts that the daemon publishes, with message ids of its own: what is sent twice counts once."""

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from producers.admission import admit_fact
from producers.sidecar.daemon.state_filter import canonical
from producers.sidecar.daemon.watched_session import SessionRecord
from schemas.facts import CLOCK, OWN_CLOCK, TIME, Fact
from schemas.sessions.facts import HUNG, RECOVERED
from schemas.subjects import Subject

PARENT_GONE: Final = "parent_process_terminated"
PARENT_CRASHED: Final = "parent_process_crashed"
_GROUP: Final = "datacat.daemon"


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """Makes the facts of this site's sessions. Bodies are at most `max_bytes` long."""

    site: str
    max_bytes: int
    now: Callable[[], datetime]

    def fact(
        self,
        session_id: str,
        kind: str,
        body: Mapping[str, Any],
        *,
        dedup_key: str | None = None,
        at: str | None = None,
    ) -> Fact:
        """Make one fact. Raises InvalidFact.

        Facts of a session with the same `dedup_key` count once; `at` is the event time, now unless told.
        """
        return admit_fact(
            Subject(self.site, "session", session_id, kind),
            dumped(body),
            key=f"daemon-{dedup_key or uuid.uuid4()}",
            headers=None if at is None else {TIME: at, CLOCK: OWN_CLOCK},
            now=self.now(),
            max_bytes=self.max_bytes,
        )

    def total(self, session_id: str, key: str, metric: Mapping[str, Any]) -> Fact:
        """Make the metric that reports a total. The same total counts once, however often it is sent."""
        digest = hashlib.sha256(canonical([key, metric]).encode()).hexdigest()
        return self.fact(session_id, "metric", metric, dedup_key=f"total-{digest[:32]}")

    def heartbeat(self, session_id: str) -> Fact:
        """Make the heartbeat of a machine that is awake. Only the newest one counts, so it needs no key."""
        subject = Subject(self.site, "session", session_id, "heartbeat")
        return admit_fact(subject, b'{"host_only":true}', now=self.now())

    def hung(self, record: SessionRecord, silence: float) -> Fact:
        """Make the event of an application that has been silent for `silence` seconds."""
        data = {"last_heartbeat": record.last_heartbeat, "seconds_since_heartbeat": round(silence, 3)}
        return self.fact(record.id, "event", _event(HUNG, "error", ["heartbeat", "hung"], data))

    def recovered(self, record: SessionRecord, silence: float) -> Fact:
        """Make the event of an application that is back after `silence` seconds."""
        data = {"seconds_since_heartbeat": round(silence, 3)}
        return self.fact(record.id, "event", _event(RECOVERED, "info", ["heartbeat", "recovered"], data))

    def last(self, record: SessionRecord) -> list[Fact]:
        """Make the last facts of a session: it ended in order, or its process is gone."""
        if record.ending == "ended":
            return [self.fact(record.id, "ended", {}, dedup_key="ended", at=record.ending_at)]
        data = {"parent_pid": record.parent_pid, "reason": PARENT_GONE}
        event = _event(PARENT_CRASHED, "critical", ["process", "crash"], data)
        crashed = {"reason": PARENT_GONE}
        return [
            self.fact(record.id, "event", event, dedup_key="parent-crashed", at=record.ending_at),
            self.fact(record.id, "crashed", crashed, dedup_key="crashed", at=record.ending_at),
        ]


def _event(name: str, level: str, labels: list[str], data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "level": level,
        "category": level,
        "group": _GROUP,
        "labels": labels,
        "data": data,
    }


def dumped(body: Mapping[str, Any]) -> bytes:
    """Encode a body as it is published."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
