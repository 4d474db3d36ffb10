"""Time travel: a session as it was, by the same fold as the read model's over the first part of its facts.

It is pure: the caller brings the facts of one session in the order of the line, and decides where to stop.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import asdict
from pydantic_core import from_json

from line.raw_event import RawEvent
from projections.dedup_key import DedupKey, KeyUse, key_use_of
from projections.projection import Key
from projections.recorded import decode
from projections.sessions.document_stream import document_chunks
from projections.sessions.fold import FACTS, States, fold
from projections.sessions.history import Patch, Snapshot, snapshots
from projections.sessions.rows import PATCH, Row, SessionChanges
from projections.sessions.state import Session
from schemas.sessions.document import SessionDocument, SessionFields
from schemas.times import format_time
from schemas.validation import InvalidFact

_PLACES: Final = [column.name for column in PATCH.columns]
_SEQUENCE: Final = _PLACES.index("seq")  # in the rows of every timeline
_AT: Final = _PLACES.index("at")


@dataclass(slots=True)
class SessionReplay:
    """Folds one session fact by fact. `skipped` has the sequences an operator had passed over."""

    key: Key
    skipped: Collection[int] = ()
    session: Session | None = None
    last: RawEvent | None = None  # the newest fact that was added, heartbeats apart
    heartbeat: datetime | None = None
    _expired_at: datetime | None = None
    _changes: SessionChanges = field(default_factory=SessionChanges)
    _ids: dict[DedupKey, KeyUse] = field(default_factory=dict)

    def add(self, raw: RawEvent) -> None:
        """Add the next fact. One that is rejected, skipped, repeated or not declared has no effect.

        Raises whatever the fold raises; in the read model the session is then parked.
        """
        fact = raw.subject.rpartition(".")[2]
        if fact == "heartbeat":
            self._beat(raw)
            return
        self.last = raw
        if fact not in FACTS or raw.sequence in self.skipped:
            return
        states: States = {self.key: self.session}
        try:
            event = decode(raw)
            use = key_use_of(raw, event)
            before = None if use is None else self._ids.get(use.key)
            if use is not None and before is not None and before.is_repeated_by(use):
                return
            fold(states, event, self._changes)
        except InvalidFact:
            return
        self.session = states[self.key]
        if self.session is None:  # it expired
            self._ids.clear()
            self.heartbeat, self._expired_at = None, raw.stored_at
        elif use is not None:
            self._ids[use.key] = use

    def _beat(self, raw: RawEvent) -> None:
        with suppress(InvalidFact):
            decode(raw)
            if self._expired_at is None or raw.stored_at > self._expired_at:
                self.heartbeat = raw.stored_at

    def events(self, after: int = 0) -> list[bytes]:
        """Return the events after a sequence, as served."""
        return [body for _, body in _served(self._changes.events, after)]

    def metrics(self, after: int = 0) -> list[bytes]:
        """Return the metrics after a sequence, as served."""
        return [body for _, body in _served(self._changes.metrics, after)]

    def history(self) -> Iterator[Snapshot]:
        """Yield a snapshot after each patch."""
        rows = chain.from_iterable(self._changes.patches.values())
        return snapshots(_patch(row) for row in rows)

    def fields(self, clock: datetime, timeout: timedelta) -> dict[str, Any]:
        """Return the session's document without state and lists as of `clock`; empty when there is none."""
        if self.session is None:
            return {}
        return self._fields(self.session, clock, timeout).as_json_values()

    def document(self, clock: datetime, timeout: timedelta) -> Iterator[bytes]:
        """Return the session's document as of `clock`, in chunks. Raises LookupError when there is none."""
        if (session := self.session) is None:
            raise LookupError(self.key)
        document = SessionDocument(
            **asdict(self._fields(session, clock, timeout)),
            state=session.state,
            events=self.events(),
            metrics=self.metrics(),
            state_history=b"[]",
        )
        return document_chunks(document.as_json().removesuffix(b"]}"), self.history())

    def _fields(self, session: Session, clock: datetime, timeout: timedelta) -> SessionFields:
        # The decision table of the sessions reference: the first condition that applies is the status.
        beat = self.heartbeat
        over = session.crashed or session.ended_at is not None
        suspended = not over and beat is not None and beat < clock - timeout
        return SessionFields(
            id=self.key[1],
            session_id=self.key[1],
            site=self.key[0],
            created_at=session.created_at,
            updated_at=max(session.touched_at, beat) if beat else session.touched_at,
            ended_at=session.ended_at,
            last_heartbeat=beat or UNSET,
            active=not over and not suspended,
            suspended=suspended,
            crashed=session.crashed,
            hung=session.hung_seq is not None,
            machine_id=session.machine_id,
            hostname=session.hostname,
        )


def _served(timeline: dict[Key, list[Row]], after: int) -> Iterator[tuple[int, bytes]]:
    for row in chain.from_iterable(timeline.values()):
        if row[_SEQUENCE] > after:
            yield row[_SEQUENCE], row[-1].encode()


def _patch(row: Row) -> Patch:
    *_, under, body = row
    return Patch(row[_SEQUENCE], format_time(row[_AT]), under, from_json(body))
