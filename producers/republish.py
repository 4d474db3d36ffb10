"""A rejected event published again, corrected: a new fact whose header names the event it stands for."""

from datetime import datetime
from hashlib import blake2b
from typing import Final

from line.messages import StoredMessage
from producers.admission import admit_fact
from schemas.facts import CLOCK, RETRY_OF, TIME, Fact, own_subject, parse_fact
from schemas.headers import header
from schemas.positions import Position
from schemas.registry import DECLARED
from schemas.subjects import Subject, published_form
from schemas.times import format_time
from schemas.validation import InvalidFact

_DIGEST_BYTES: Final = 12


def republished_fact(
    message: StoredMessage,
    place: Position,
    *,
    subject: Subject | None = None,
    body: bytes | None = None,
    time: str | None = None,
    now: datetime,
) -> Fact:
    """Return the fact to publish: the stored message with the given corrections. Raises InvalidFact.

    Its event time is `time`, else that of its body or header, else the time the rejected event was stored.
    The same correction of the same event has the same message id, so it counts once however often it is sent.
    """
    if message.stream in DECLARED.latest_only:
        raise InvalidFact(
            "not_retryable",
            f"of the facts on {message.stream} only the newest counts, for it says how things are now: an "
            "old one cannot be published again",
        )
    body = message.body if body is None else body
    subject = subject or _subject(message.subject, body)
    headers = {RETRY_OF: str(place)}
    if time is None and (clock := header(message.headers, CLOCK)) is not None:
        headers[CLOCK] = clock
    headers[TIME] = time or header(message.headers, TIME) or format_time(message.stored_at)
    digest = blake2b(f"{subject}\n{time}\n".encode() + body, digest_size=_DIGEST_BYTES).hexdigest()
    return admit_fact(
        subject,
        body,
        key=f"retry:{place}:{digest}",
        headers=headers,
        now=now,
    )


def _subject(stored: str, body: bytes) -> Subject:
    """Return the subject it was published under, where the body alone may tell it. Raises InvalidFact."""
    subject = Subject.parse(published_form(stored))
    return own_subject(subject, parse_fact(subject.entity, subject.fact, body))
