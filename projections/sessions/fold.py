"""The pure fold of session facts: the decision table of the sessions reference, and JSON Merge Patch."""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from projections.binary_copy import json_size
from projections.projection import StateKey
from projections.recorded import Recorded
from projections.sessions.merge_patch import merge_patch
from projections.sessions.render import served_event
from projections.sessions.rows import SessionChanges
from projections.sessions.state import UNKNOWN, Session
from projections.sessions.state_size import growth
from schemas.fact_body import FactBody
from schemas.sessions.facts import (
    CRASH_DETECTED,
    HUNG,
    MACHINE_RETURNED,
    RECOVERED,
    SessionCrashed,
    SessionCreated,
    SessionEvent,
    SessionMetric,
    SessionState,
)
from schemas.validation import InvalidFact

VERSION: Final = 2
"""Raised with every change that makes the same line give other rows."""
MOST_STATE_BYTES: Final = 2 << 20
"""The most bytes that a state may have as JSON; product and version of a late `created` come on top.

Another value is another version. Loading, merging and writing a state take time for each of its bytes, in
which the other sessions of the partition wait: 0.9 s for a full one that was not cached, on busy processors.
"""

States = dict[StateKey, Session | None]
Model = TypeVar("Model", bound=FactBody | SessionState)


def fold(states: States, event: Recorded, changes: SessionChanges) -> None:
    """Apply one fact to its session. The first fact of any kind but a heartbeat opens one."""
    fact = event.subject.fact
    if fact == "heartbeat":
        # Newest by store time, which only grows: what a rebuild finds is what counted live.
        changes.heartbeats[event.key] = (event.partition, *event.key, event.stored_at, event.sequence)
    elif fact == "expired":
        states[event.key] = None
        changes.forget(event)
    else:
        states[event.key] = _FOLDS[fact](_opened(states.get(event.key), event), event, changes)


def _opened(session: Session | None, event: Recorded) -> Session:
    if session is None:
        return Session.opened(event.partition, event.sequence, event.at)
    return session.at(event.sequence)


def _touch(session: Session, event: Recorded) -> Session:
    session.touched_at = max(session.touched_at, event.at)
    return session


def _created(session: Session, event: Recorded, changes: SessionChanges) -> Session:
    body = _body(event, SessionCreated)
    if session.created_seq is not None:
        raise InvalidFact("already_created", f"the session was created by sequence {session.created_seq}")
    first = {"product": body.product, "version": body.version}
    session.created_seq = event.sequence
    session.created_at = event.at
    session.machine_id = body.machine_id or None
    session.hostname = body.hostname or None
    session.state = merge_patch(first, session.state)  # under what is there: facts may overtake it
    session.state_size = UNKNOWN
    session.timelines_size += changes.add_patch(event, first, under=True)
    return _touch(session, event)


def _state(session: Session, event: Recorded, changes: SessionChanges) -> Session:
    patch = _body(event, SessionState).state
    before = session.state_size if session.state_size != UNKNOWN else json_size(session.state)
    after = before + growth(session.state, patch)
    if after > MOST_STATE_BYTES and after > before:
        raise InvalidFact(
            "state_too_large",
            f"the state would have {after} bytes as JSON, at most {MOST_STATE_BYTES} are allowed;"
            " a patch that makes it smaller is accepted",
        )
    session.state = changes.merging.merge(session.state, patch)
    session.state_size = after
    session.timelines_size += changes.add_patch(event, patch)
    return _touch(session, event)


def _event(session: Session, event: Recorded, changes: SessionChanges) -> Session:
    body = _body(event, SessionEvent)
    if body.name == HUNG:
        session.hung_seq, session.hung_stored_at, session.ever_hung = event.sequence, event.stored_at, True
    elif body.name == RECOVERED:
        session.hung_seq, session.hung_stored_at, session.ever_recovered = None, None, True
    session.timelines_size += changes.add_event(event, body.name, served_event(body))
    session.events += 1
    return _touch(session, event)


def _metric(session: Session, event: Recorded, changes: SessionChanges) -> Session:
    session.timelines_size += changes.add_metric(event, _body(event, SessionMetric))
    session.metrics += 1
    return _touch(session, event)


def _ended(session: Session, event: Recorded, changes: SessionChanges) -> Session:
    session.ended_at = session.ended_at or event.at
    return _touch(session, event)


def _crashed(session: Session, event: Recorded, changes: SessionChanges) -> Session:
    body = _body(event, SessionCrashed)
    data: dict[str, Any] = {"reason": body.reason}
    if body.cause == "machine_returned":
        if session.crashed or session.ended_at is not None:
            return session  # it ended in order before the conclusion arrived
        session.crashed = True
        data = {"reason": MACHINE_RETURNED, "machine_id": body.machine_id}
        category = ""
    else:
        session.crashed, session.hung_seq, session.hung_stored_at = True, None, None
        session.ended_at = session.ended_at or event.at
        category = "critical"
        _touch(session, event)
    served = {"name": CRASH_DETECTED, "level": "critical", "category": category, "data": data}
    session.timelines_size += changes.add_event(event, CRASH_DETECTED, served)
    session.events += 1
    return session


def _body(event: Recorded, model: type[Model]) -> Model:
    return cast(Model, event.body)  # decode() chose the model by the fact


_FOLDS: Final[dict[str, Callable[[Session, Recorded, SessionChanges], Session]]] = {
    "created": _created,
    "state": _state,
    "event": _event,
    "metric": _metric,
    "ended": _ended,
    "crashed": _crashed,
}

FACTS: Final = frozenset({*_FOLDS, "heartbeat", "expired"})
"""The facts that are folded."""
