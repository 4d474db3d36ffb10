"""Recorded events: decoded by the one validator and ready to fold, or rejected with the reason."""

from dataclasses import dataclass
from datetime import datetime

from msgspec import Struct

from line.raw_event import RawEvent
from schemas.facts import TIME, entity_id, event_time, parse_fact
from schemas.family import Body
from schemas.headers import header
from schemas.subjects import Subject
from schemas.validation import InvalidFact


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
    """Decode a stored message whose subject is read already. Raises InvalidFact."""
    body = parse_fact(subject.entity, subject.fact, raw.body)
    return Recorded(
        raw.stream,
        raw.partition,
        raw.sequence,
        raw.stored_at,
        event_time(body, header(raw.headers, TIME), raw.stored_at),
        subject,
        (subject.site, entity_id(subject, body)),
        body,
    )


def reject(raw: RawEvent, problem: InvalidFact) -> Rejection:
    """Return the rejection of an event, with the reason why it has no effect."""
    return Rejection(raw, problem.reason, problem.details[:1000].replace("\x00", ""))
