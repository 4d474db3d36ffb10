"""The reference fold: what GET /api/sessions/{id} must answer for what producers published.

Slow, naive and apart from the product on purpose: it shares no code with it, only the documents.
"""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.reference.merge import Json, merge
from tests.reference.published import Published
from tests.reference.rules import MAY_BE_NULL, Bad, addressed, checked, parse, readable

_EVENT_FIELDS = ("name", *MAY_BE_NULL["event"])
_METRIC_FIELDS = ("name", "value", *MAY_BE_NULL["metric"])
_MESSAGE_IDS_FOR = timedelta(days=7)


class ReferenceSession:
    """One session, folded fact by fact in the order of the line."""

    def __init__(self, site: str, session_id: str, at: datetime, most_state_bytes: int) -> None:
        self.site, self.id = site, session_id
        self.most_state_bytes = most_state_bytes
        self.created = False
        self.created_at = self.updated_at = at
        self.ended_at: datetime | None = None
        self.crashed = self.hung = False
        self.machine_id: str | None = None
        self.hostname: str | None = None
        self.state: Json = {}
        self.events: list[Json] = []
        self.metrics: list[Json] = []
        self.history: list[Json] = []

    def apply(self, fact: str, body: Json, at: datetime) -> None:
        """Fold one fact. Raises Bad for what is refused only because of what came before."""
        concluded = fact == "crashed" and body.get("cause") == "machine_returned"
        getattr(self, fact + "_fact")(body, at)
        if not concluded:
            self.updated_at = max(self.updated_at, at)

    def created_fact(self, body: Json, at: datetime) -> None:
        if self.created:
            raise Bad("already created")
        self.created, self.created_at = True, at
        self.machine_id, self.hostname = body.get("machine_id") or None, body.get("hostname") or None
        self.state = merge({"product": body["product"], "version": body["version"]}, self.state)
        self.history.append({"timestamp": stamp(at), "state": self.state})

    def state_fact(self, patch: Json, at: datetime) -> None:
        merged = merge(self.state, patch)
        if size(merged) > max(self.most_state_bytes, size(self.state)):
            raise Bad("the state would be too large")
        self.state = merged
        self.history.append({"timestamp": stamp(at), "state": self.state})

    def event_fact(self, body: Json, at: datetime) -> None:
        if body["name"] == "application_appears_hung":
            self.hung = True
        if body["name"] == "application_recovered":
            self.hung = False
        event = {field: body[field] for field in _EVENT_FIELDS if body.get(field) is not None}
        usual = "info" if body.get("exception_type") is None else "error"
        event["level"] = body.get("level") or usual
        event["category"] = body.get("category") or usual
        self.events.append({"timestamp": stamp(at), **event})

    def metric_fact(self, body: Json, at: datetime) -> None:
        metric = {field: body[field] for field in _METRIC_FIELDS if body.get(field) is not None}
        metric["type"] = body.get("type", "gauge")
        self.metrics.append({"timestamp": stamp(at), **metric})

    def ended_fact(self, body: Json, at: datetime) -> None:
        self.ended_at = self.ended_at or at

    def crashed_fact(self, body: Json, at: datetime) -> None:
        if body.get("cause") == "machine_returned":
            if self.crashed or self.ended_at:
                return
            category = ""
            data = {
                "reason": "machine_returned_session_not_resumed",
                "machine_id": body.get("machine_id"),
            }
        else:
            self.hung, self.ended_at = False, self.ended_at or at
            category, data = "critical", {"reason": body.get("reason", "abnormal_termination")}
        self.crashed = True
        self.events.append(
            {
                "timestamp": stamp(at),
                "name": "session_crashed_detected",
                "level": "critical",
                "category": category,
                "data": data,
            }
        )

    def answer(self, heartbeat: datetime | None, now: datetime, timeout: timedelta) -> Json:
        """Return the document, by the decision table of the reference."""
        over = self.crashed or self.ended_at is not None
        silent = heartbeat is not None and now - heartbeat > timeout
        answer: Json = {
            "id": self.id,
            "session_id": self.id,
            "site": self.site,
            "created_at": stamp(self.created_at),
            "updated_at": stamp(max(self.updated_at, heartbeat or self.updated_at)),
            "ended_at": stamp(self.ended_at) if self.ended_at else None,
            "active": not over and not silent,
            "suspended": not over and silent,
            "crashed": self.crashed,
            "hung": self.hung,
            "machine_id": self.machine_id,
            "hostname": self.hostname,
            "state": self.state,
            "events": self.events,
            "metrics": self.metrics,
            "state_history": self.history,
        }
        if heartbeat is not None:
            answer["last_heartbeat"] = stamp(heartbeat)
        return answer


class Reference:
    """All sessions of a list of facts, and what was refused."""

    def __init__(self, facts: Iterable[Published], *, most_state_bytes: int = 2 << 20) -> None:
        self._most_state_bytes = most_state_bytes
        self.sessions: dict[tuple[str, str], ReferenceSession] = {}
        self.rejected: set[tuple[str, int]] = set()
        self._noted: dict[tuple[str, str], int] = {}
        self._heartbeats: dict[tuple[str, str], datetime] = {}
        self._expired: dict[tuple[str, str], datetime] = {}
        self._message_ids: dict[tuple[tuple[str, ...], str], tuple[datetime, Any]] = {}
        self._rejected_of: dict[tuple[str, ...], set[tuple[str, int]]] = {}
        ordered = sorted(facts, key=lambda one: one.seq)
        for one in ordered:
            if one.fact != "heartbeat":
                self._fold(one)
        for one in ordered:
            if one.fact == "heartbeat":
                self._beat(one)

    def answer(
        self,
        session_id: str,
        now: datetime,
        *,
        site: str = "local",
        timeout: timedelta = timedelta(seconds=60),
    ) -> Json | None:
        """Return the document, None for a session that does not exist."""
        session = self.sessions.get((site, session_id))
        if session is None:
            return None
        return session.answer(self._heartbeats.get((site, session_id)), now, timeout)

    def _fold(self, one: Published) -> None:
        entity = tuple(one.subject.split(".")[1:4:2])
        message_id = one.headers.get("Nats-Msg-Id", "")
        chosen = message_id != "" and not message_id.startswith("auto:")
        seen = self._message_ids.get((entity, message_id))
        try:
            body, at = checked(one)
            if chosen and seen is not None and one.stored_at - seen[0] <= _MESSAGE_IDS_FOR:
                if seen[1] != said(one):
                    raise Bad("the key is another fact's")
                return
            self._apply(one, body, at)
        except Bad:
            self.rejected.add(("SESSIONS", one.seq))
            self._rejected_of.setdefault(entity, set()).add(("SESSIONS", one.seq))
            return
        if one.fact == "expired":  # everything before it leaves the line
            self._message_ids = {known: use for known, use in self._message_ids.items() if known[0] != entity}
            self.rejected -= self._rejected_of.pop(entity, set())
        elif chosen:
            self._message_ids[entity, message_id] = one.stored_at, said(one)

    def _apply(self, one: Published, body: Any, at: datetime) -> None:
        _, site, _, session_id, fact = one.subject.split(".")
        key = (site, session_id)
        if fact == "expired":
            self.sessions.pop(key, None)
            self._expired[key] = one.stored_at
            return
        session = self.sessions.get(key) or ReferenceSession(site, session_id, at, self._most_state_bytes)
        session.apply(fact, body, at)
        self.sessions[key] = session

    def _beat(self, one: Published) -> None:
        try:
            addressed(one)
        except Bad:
            self.rejected.add(("HEARTBEATS", one.seq))
            return
        _, site, _, session_id, _ = one.subject.split(".")
        key = (site, session_id)
        try:
            readable(one)
        except Bad:  # noted, of a session the newest one; it counts all the same
            self.rejected.discard(("HEARTBEATS", self._noted.get(key, 0)))
            self.rejected.add(("HEARTBEATS", one.seq))
            self._noted[key] = one.seq
        if key not in self._expired or one.stored_at > self._expired[key]:
            self._heartbeats[key] = one.stored_at


def size(state: Json) -> int:
    """Return the bytes of a state as JSON, if its numbers are integers."""
    return len(json.dumps(state, separators=(",", ":"), ensure_ascii=False, default=str).encode())


def said(one: Published) -> Any:
    """Return what a valid fact says, apart from when."""
    body = parse(one.body)
    if one.fact != "state" or (isinstance(body.get("state"), dict) and body.keys() <= {"state", "timestamp"}):
        body.pop("timestamp", None)
    return one.fact, _kinds_apart(comparable(body))


def _kinds_apart(value: Any) -> Any:
    if isinstance(value, bool):
        return ("bool", value)  # for Python, True is 1
    if isinstance(value, dict):
        return {key: _kinds_apart(item) for key, item in value.items()}
    return [_kinds_apart(item) for item in value] if isinstance(value, list) else value


def stamp(at: datetime) -> str:
    """Return a time as it is served."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def as_served(value: Any) -> Any:
    """Return a JSON value with every number as Python writes it: 1 and 1.0 differ, 1e0 and 1.0 do not."""
    if isinstance(value, dict):
        return {key: as_served(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_served(item) for item in value]
    if isinstance(value, int | float | Decimal):
        return ("number", repr(value if isinstance(value, int) else float(value)))
    return value


def comparable(value: Any) -> Any:
    """Return a JSON value with every number as a Decimal, so that 1, 1.0 and 1e0 are the same number."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    return Decimal(value) if isinstance(value, int | Decimal) else Decimal(repr(value))
