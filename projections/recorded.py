"""Recorded events: decoded by the one validator and ready to fold, or rejected with the reason."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from msgspec import Struct

from line.raw_event import RawEvent
from schemas.facts import entity_id, event_time, parse_fact
from schemas.family import Body
from schemas.headers import header
from schemas.registry import DECLARED
from schemas.subjects import Subject
from schemas.validation import InvalidFact

_UNREADABLE: Final = DECLARED.unreadable


class Recorded(Struct, frozen=True, gc=False):
    """A valid event, ready to fold."""

    stream: str
    partition: int
    sequence: int
    stored_at: datetime
    at: datetime  # event time: body, else header, else store time
    subject: Subject
    key: tuple[str, str]  # (site, id) of the entity
    body: Body
    problem: InvalidFact | None = None  # why its body cannot be read, where it counts all the same


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event set aside: it has no effect, and the reason is kept."""

    event: RawEvent
    reason: str
    details: str


def decode(raw: RawEvent) -> Recorded:
    """Decode one stored message, as a pure function of the message. Raises InvalidFact."""
    return decode_under(Subject.parse_stored(raw.subject), raw)


def decode_under(subject: Subject, raw: RawEvent) -> Recorded:
    """Decode a stored message whose subject is read already. Raises InvalidFact.

    Where the stream keeps the newest message of a subject alone, every message counts: an ignored one would
    have erased the one before it, and a rebuild would find neither. Its time is the store time.
    """
    problem = None
    try:
        body = parse_fact(subject.entity, subject.fact, raw.body)
        at = event_time(body, partial(header, raw.headers), raw.stored_at)
    except InvalidFact:
        if (subject.entity, subject.fact) not in _UNREADABLE:
            raise
        body, problem = read_level(subject.entity, subject.fact, raw.body)
        at = raw.stored_at
    return Recorded(
        raw.stream,
        raw.partition,
        raw.sequence,
        raw.stored_at,
        at,
        subject,
        (subject.site, entity_id(subject, body)),
        body,
        problem,
    )


def read_level(entity: str, fact: str, body: bytes) -> tuple[Body, InvalidFact | None]:
    """Return a body of a fact of which the newest counts, or what an unreadable one counts as, and why."""
    try:
        return parse_fact(entity, fact, body), None
    except InvalidFact as exc:
        return _UNREADABLE[entity, fact], exc


def reject(raw: RawEvent, problem: InvalidFact) -> Rejection:
    """Return the rejection of an event, with the reason why it has no effect."""
    return Rejection(raw, problem.reason, problem.details[:1000].replace("\x00", ""))
