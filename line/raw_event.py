"""A raw event: one stored message, as a reader of its stream was given it."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from schemas.facts import AUTO, MESSAGE_ID, likely_entity_id
from schemas.headers import header, header_begins
from schemas.subjects import Subject
from schemas.validation import InvalidFact

_AUTO: Final = f" {AUTO}".encode()


# One is made for every message: a named tuple takes five times as long, a frozen dataclass ten times.
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

        None for an id that the publisher made up, for an empty one, which JetStream ignores, and for one that
        is not UTF-8: the client shows different such ids as the same text.
        """
        if header_begins(self.headers, MESSAGE_ID, _AUTO):
            return None
        message_id = header(self.headers, MESSAGE_ID)
        if not message_id or message_id.startswith(AUTO) or "\ufffd" in message_id:
            return None
        return message_id

    def place(self) -> str:
        """Return stream, sequence and subject, for logs."""
        return f"{self.stream} {self.sequence} ({self.subject})"

    def key(self) -> tuple[str, str] | None:
        """(site, id) of the entity; None when the event names none."""
        try:
            subject = Subject.parse_stored(self.subject)
        except InvalidFact:
            return None
        found = likely_entity_id(subject, self.body)
        return None if found is None else (subject.site, found)
