"""A rejected event published again: corrected, as a new fact that says which one it stands for."""

from datetime import datetime
from hashlib import blake2b
from typing import Final

from line.messages import StoredMessage
from producers.admission import checked_fact
from schemas.facts import RETRY_OF, TIME, Fact, parse_fact
from schemas.headers import header
from schemas.jobs.facts import JobFact
from schemas.positions import Position
from schemas.streams import HEARTBEATS
from schemas.subjects import Subject, published_form
from schemas.times import format_time
from schemas.validation import InvalidFact

_DIGEST_BYTES: Final = 12


def retry_fact(
    message: StoredMessage,
    place: Position,
    *,
    subject: Subject | None = None,
    body: bytes | None = None,
    time: str | None = None,
    now: datetime,
) -> Fact:
    """The fact to publish: what was stored, but for what is corrected. Raises InvalidFact.

    It happened when the rejected one did: by `time`, its body or its header, else when that was stored. The
    same correction of the same event has the same message id, so it counts once however often it is sent.
    """
    if message.stream == HEARTBEATS.name:
        raise InvalidFact(
            "not_retryable",
            "a heartbeat says that an application is alive now: an old one is not published again",
        )
    body = message.body if body is None else body
    subject = subject or _subject(message.subject, body)
    claimed = time or header(message.headers, TIME) or format_time(message.stored_at)
    digest = blake2b(f"{subject}\n{time}\n".encode() + body, digest_size=_DIGEST_BYTES).hexdigest()
    return checked_fact(
        subject,
        body,
        key=f"retry:{place}:{digest}",
        headers={RETRY_OF: str(place), TIME: claimed},
        now=now,
    )


def _subject(stored: str, body: bytes) -> Subject:
    """Where it was published. Of a job that is told by the body alone. Raises InvalidFact."""
    subject = Subject.parse(published_form(stored))
    if subject.entity != "job":
        return subject
    told = parse_fact(subject.entity, subject.fact, body)
    return told.subject(subject.site) if isinstance(told, JobFact) else subject
