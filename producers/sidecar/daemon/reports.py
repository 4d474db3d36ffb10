"""What applications report, one method a request; of a session each runs in its turn."""

import socket
import time
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from producers.sidecar.daemon.counters import Increment
from producers.sidecar.daemon.facts import dumped
from producers.sidecar.daemon.histograms import Observation
from producers.sidecar.daemon.ids import SessionIds
from producers.sidecar.daemon.parents import birth_of
from producers.sidecar.daemon.session import Record, Session
from producers.sidecar.daemon.sessions import Sessions
from schemas.sessions.facts import SessionCreated, WrappedState
from schemas.texts import check_texts
from schemas.times import format_time
from schemas.validation import InvalidFact, from_validation_error

Model = TypeVar("Model", bound=BaseModel)
Body = dict[str, Any]

_MOST_TALLIES: Final = 1_000


class Registration(SessionCreated):
    """`POST /register`."""

    parent_pid: Annotated[int, Field(ge=1, lt=2**31)]


class Reports:
    """Takes bodies that are JSON objects. Raises InvalidFact, HttpProblem, sqlite3.Error."""

    def __init__(self, sessions: Sessions, connected: Callable[[], bool]) -> None:
        self.sessions = sessions
        self._connected = connected
        self._ids = SessionIds()

    async def register(self, body: Body) -> str:
        """Begin a session and watch its process; answers its id."""
        wanted = _valid(Registration, body)
        now = self._now()
        record = Record(
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

    async def state(self, session: Session, body: Body) -> None:
        """Send what of the state is new."""
        wanted = _valid(WrappedState, body)
        if news := session.sent.news(wanted.state):
            fact = {name: value for name, value in body.items() if name == "timestamp"} | {"state": news}
            await self._send(session, "state", fact)
            session.sent.note(news)

    async def event(self, session: Session, body: Body) -> None:
        """Send an event."""
        await self._send(session, "event", _without(body))

    async def metric(self, session: Session, body: Body) -> None:
        """Send a metric, or add it to what is sent at the next flush."""
        kind = body.get("type", "counter" if "delta" in body else "gauge")
        if kind == "counter" and "delta" in body:
            await self._add(session, _valid(Increment, body))
        elif kind == "histogram":
            await self._add(session, _valid(Observation, body))
        else:
            await self._send(session, "metric", _without(body, "delta"))

    async def heartbeat(self, session: Session, body: Body) -> None:
        """The application is alive: known here, and told to the line only when it was hung."""
        record, now = session.record, self._now()
        silence = time.monotonic() - session.silent_since
        if record.hung:
            await self.sessions.accept([self.sessions.facts.recovered(record, silence)])
        if record.hung or record.last_heartbeat is None:
            await self.sessions.change(session, hung=False, last_heartbeat=now, updated_at=now)
        else:
            record.last_heartbeat = record.updated_at = now
        session.silent_since = time.monotonic()

    async def pause_heartbeat(self, session: Session, body: Body) -> None:
        """Silence means nothing until it is resumed."""
        await self.sessions.change(session, paused=True, updated_at=self._now())

    async def resume_heartbeat(self, session: Session, body: Body) -> None:
        """Silence counts again, from now on."""
        await self.sessions.change(session, paused=False, updated_at=self._now())
        session.silent_since = time.monotonic()

    async def end(self, session: Session, body: Body) -> None:
        """The application ended in order."""
        await self.sessions.end(session, "ended")

    async def _send(self, session: Session, kind: Literal["state", "event", "metric"], body: Body) -> None:
        await self.sessions.accept([self.sessions.facts.fact(session.record.id, kind, body)])
        session.record.updated_at = self._now()

    async def _add(self, session: Session, report: Increment | Observation) -> None:
        key = report.key()
        if key not in session.tallies and len(session.tallies) >= _MOST_TALLIES:
            raise InvalidFact(
                "too_many", f"at most {_MOST_TALLIES} counters and histograms are kept for a session"
            )
        after = report.added_to(session.tallies.get(key))
        await self.sessions.memory.tally(session.record.id, key, after)
        session.tallies[key] = after
        session.changed.add(key)
        session.record.updated_at = self._now()

    def _now(self) -> str:
        return format_time(self.sessions.facts.now())


def _without(body: Body, *names: str) -> Body:
    """Of a request what its fact has as well, fields we do not know included."""
    return {name: value for name, value in body.items() if name != "session_id" and name not in names}


def _valid(model: type[Model], body: Body) -> Model:
    try:
        valid = model.model_validate(body)
    except ValidationError as exc:
        raise from_validation_error(exc, dumped(body)) from None
    check_texts(model, vars(valid))
    return valid
