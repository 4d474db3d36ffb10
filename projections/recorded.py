"""Events as they come off the line: raw, and decoded by the one validator."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from schemas.facts import AUTO, MESSAGE_ID, TIME, Body, entity_id, event_time, likely_entity_id, parse_fact
from schemas.headers import header, header_begins
from schemas.subjects import Subject
from schemas.validation import InvalidFact

MESSAGE_ID_WINDOW: Final = timedelta(days=7)
"""An entity counts the same message id once within this span of store time."""
_AUTO: Final = f" {AUTO}".encode()


# One of each is made for every message: a named tuple takes five times as long, a frozen dataclass ten times.
class RawEvent(Struct, frozen=True, gc=False):
    """One stored message: where it stands on the line, and its bytes."""

    stream: str
    partition: int
    sequence: int
    stored_at: datetime  # the server's store time, UTC
    subject: str  # stored form
    headers: bytes  # the block as stored, see schemas.headers; empty without any
    body: bytes

    def explicit_id(self) -> str | None:
        """The message id its producer chose.

        None for those the publisher made up, for an empty one, which JetStream takes for none, and for one
        that is not UTF-8: the client shows different such ids as the same text.
        """
        if header_begins(self.headers, MESSAGE_ID, _AUTO):
            return None
        message_id = header(self.headers, MESSAGE_ID)
        if not message_id or message_id.startswith(AUTO) or "\ufffd" in message_id:
            return None
        return message_id

    def key(self) -> tuple[str, str] | None:
        """(site, id) of the entity, if the event names one."""
        try:
            subject = Subject.parse_stored(self.subject)
        except InvalidFact:
            return None
        found = likely_entity_id(subject, self.body)
        return None if found is None else (subject.site, found)


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
    """Validate one stored message. A pure function of the message; raises InvalidFact."""
    subject = Subject.parse_stored(raw.subject)
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
    """Keep why an event has no effect."""
    return Rejection(raw, problem.reason, problem.details[:1000].replace("\x00", ""))
