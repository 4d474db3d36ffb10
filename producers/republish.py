"""A rejected event published again, corrected: a new fact whose header names the event it stands for."""

from datetime import datetime
from hashlib import blake2b
from typing import Final

from line.messages import StoredMessage
from producers.admission import admit_fact
from schemas.facts import RETRY_OF, TIME, Fact, parse_fact
from schemas.headers import header
from schemas.jobs.facts import JobFact
from schemas.positions import Position
from schemas.streams import HEARTBEATS
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
    if message.stream == HEARTBEATS.name:
        raise InvalidFact(
            "not_retryable",
            "a heartbeat says that an application is alive now: an old one cannot be published again",
        )
    body = message.body if body is None else body
    subject = subject or _subject(message.subject, body)
    claimed = time or header(message.headers, TIME) or format_time(message.stored_at)
    digest = blake2b(f"{subject}\n{time}\n".encode() + body, digest_size=_DIGEST_BYTES).hexdigest()
    return admit_fact(
        subject,
        body,
        key=f"retry:{place}:{digest}",
        headers={RETRY_OF: str(place), TIME: claimed},
        now=now,
    )


def _subject(stored: str, body: bytes) -> Subject:
    """Return the subject it was published under: for a job its body alone tells it. Raises InvalidFact."""
    subject = Subject.parse(published_form(stored))
    if subject.entity != "job":
        return subject
    model = parse_fact(subject.entity, subject.fact, body)
    return model.subject(subject.site) if isinstance(model, JobFact) else subject
