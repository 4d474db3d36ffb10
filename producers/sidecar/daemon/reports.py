"""The reports of applications, one method for each request; those of a session run one at a time."""

import socket
import time
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from producers.sidecar.daemon.counters import Increment
from producers.sidecar.daemon.facts import dumped
from producers.sidecar.daemon.histograms import Observation
from producers.sidecar.daemon.parent_process import birth_of
from producers.sidecar.daemon.session_ids import SessionIds
from producers.sidecar.daemon.sessions import Sessions
from producers.sidecar.daemon.watched_session import SessionRecord, WatchedSession
from schemas.sessions.facts import SessionCreated, WrappedState
from schemas.texts import check_texts
from schemas.times import format_time
from schemas.validation import InvalidFact, from_validation_error

Model = TypeVar("Model", bound=BaseModel)
Body = dict[str, Any]

_MAX_AGGREGATES: Final = 1_000


class Registration(SessionCreated):
    """The body of `POST /register`: that of `created`, and the process to watch."""

    parent_pid: Annotated[int, Field(ge=1, lt=2**31)]


class Reports:
    """Takes bodies that are JSON objects. Every method raises InvalidFact, HttpProblem and sqlite3.Error."""

    def __init__(self, sessions: Sessions, connected: Callable[[], bool]) -> None:
        self.sessions = sessions
        self._connected = connected
        self._ids = SessionIds()

    async def register(self, body: Body) -> str:
        """Begin a session and watch its process; answers its id."""
        wanted = _valid(Registration, body)
        now = self._now()
        record = SessionRecord(
            id=self._ids.new(connected=self._connected()),
            product=wanted.product,
            version=wanted.version,
            parent_pid=wanted.parent_pid,
            birth=birth_of(wanted.parent_pid),
            created_at=now,
            updated_at=now,
        )
        hostname = wanted.hostname or socket.gethostname()
        await self.sessions.begin(record, {**_without(body, "parent_pid"), "hostname": hostname})
        return record.id

    async def state(self, session: WatchedSession, body: Body) -> None:
        """Send the part of the state that changed."""
        wanted = _valid(WrappedState, body)
        if changes := session.sent.unsent(wanted.state):
            fact = {name: value for name, value in body.items() if name == "timestamp"} | {"state": changes}
            await self._send(session, "state", fact)
            session.sent.note_sent(changes)

    async def event(self, session: WatchedSession, body: Body) -> None:
        """Send an event."""
        await self._send(session, "event", _without(body))

    async def metric(self, session: WatchedSession, body: Body) -> None:
        """Send a metric, or add it to a total that is sent later."""
        kind = body.get("type", "counter" if "delta" in body else "gauge")
        if kind == "counter" and "delta" in body:
            await self._add(session, _valid(Increment, body))
        elif kind == "histogram":
            await self._add(session, _valid(Observation, body))
        else:
            await self._send(session, "metric", _without(body, "delta"))

    async def heartbeat(self, session: WatchedSession, body: Body) -> None:
        """Report that the application is alive; only the end of a hang is published."""
        record, now = session.record, self._now()
        silence = time.monotonic() - session.silent_since
        if record.hung:
            await self.sessions.accept([self.sessions.facts.recovered(record, silence)])
        if record.hung or record.last_heartbeat is None:
            await self.sessions.change(session, hung=False, last_heartbeat=now, updated_at=now)
        else:
            record.last_heartbeat = record.updated_at = now
        session.silent_since = time.monotonic()

    async def pause_heartbeat(self, session: WatchedSession, body: Body) -> None:
        """Stop watching for heartbeats until `resume_heartbeat`."""
        await self.sessions.change(session, paused=True, updated_at=self._now())

    async def resume_heartbeat(self, session: WatchedSession, body: Body) -> None:
        """Watch for heartbeats again; silence counts from now on."""
        await self.sessions.change(session, paused=False, updated_at=self._now())
        session.silent_since = time.monotonic()

    async def end(self, session: WatchedSession, body: Body) -> None:
        """End the session in order."""
        await self.sessions.end(session, "ended")

    async def _send(
        self, session: WatchedSession, kind: Literal["state", "event", "metric"], body: Body
    ) -> None:
        await self.sessions.accept([self.sessions.facts.fact(session.record.id, kind, body)])
        session.record.updated_at = self._now()

    async def _add(self, session: WatchedSession, report: Increment | Observation) -> None:
        key = report.key()
        if key not in session.aggregates and len(session.aggregates) >= _MAX_AGGREGATES:
            raise InvalidFact(
                "too_many",
                f"this session has {_MAX_AGGREGATES} counters and histograms, the most it can have: use "
                "fewer names, tags or buckets",
            )
        after = report.added_to(session.aggregates.get(key))
        await self.sessions.store.keep_aggregate(session.record.id, key, after)
        session.aggregates[key] = after
        session.unsent.add(key)
        session.record.updated_at = self._now()

    def _now(self) -> str:
        return format_time(self.sessions.facts.now())


def _without(body: Body, *names: str) -> Body:
    """Return the fields of a request that its fact has as well, unknown fields included."""
    return {name: value for name, value in body.items() if name != "session_id" and name not in names}


def _valid(model: type[Model], body: Body) -> Model:
    try:
        valid = model.model_validate(body)
    except ValidationError as exc:
        raise from_validation_error(exc, dumped(body)) from None
    check_texts(model, vars(valid))
    return valid
