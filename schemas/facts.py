"""Facts: a published subject, a body and optional headers, and their validation."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from schemas.future_limit import refuse_future
from schemas.jobs.facts import KINDS, JobFact
from schemas.sessions.facts import SESSION_FACTS, FactBody, SessionState
from schemas.subjects import Subject, slot_of, token_of
from schemas.texts import check_texts, is_plain
from schemas.times import parse_time
from schemas.validation import (
    MAX_FACT_BYTES,
    MAX_INDEXED_BYTES,
    InvalidFact,
    check_body,
    from_validation_error,
    parse_json,
)

EXPIRED: Final = "expired"
"""The fact that ends an entity: all facts before it leave the line."""

MESSAGE_ID: Final = "Nats-Msg-Id"
TIME: Final = "Foldline-Time"
RETRY_OF: Final = "Foldline-Retry-Of"
"""The header with the place of the rejected event that a fact corrects."""
AUTO: Final = "auto:"
"""The prefix of message ids that admission makes up: they guard a retry, and no read model keeps them."""


class Fact(NamedTuple):
    """A fact to publish. Its body is valid: producers.admission checked it, or our own code wrote it."""

    subject: Subject
    body: bytes
    message_id: str
    headers: Mapping[str, str]


Body = FactBody | SessionState | JobFact
"""The validated body of a fact."""
Model = TypeVar("Model", bound=BaseModel)


def _validator(model: type[Model]) -> Callable[[bytes], Model]:
    # `model_validate_json` calls this as well, by a detour that costs as much as a small body.
    validate: Callable[[bytes], Model] = model.__pydantic_validator__.validate_json
    return validate


_PARSERS: Final[dict[tuple[str, str], Callable[[bytes], Body]]] = {
    ("session", fact): (_validator(model) if issubclass(model, FactBody) else model.parse)
    for fact, model in SESSION_FACTS.items()
} | {("job", kind): JobFact.parse for kind in KINDS}

FACTS: Final[dict[str, frozenset[str]]] = {
    "session": frozenset(SESSION_FACTS),
    "job": frozenset(KINDS),
}
"""The facts of each entity; the server refuses any other subject."""


def parse_fact(entity: str, fact: str, body: bytes, *, max_bytes: int = MAX_FACT_BYTES) -> Body:
    """Validate a body; an empty one means `{}`. Raises InvalidFact and nothing else."""
    parser = _PARSERS.get((entity, fact))
    if parser is None:
        raise InvalidFact("unknown_fact", _unknown(entity, fact))
    check_body(body, max_bytes=max_bytes)
    try:
        model = parser(body or b"{}")
    except ValidationError as exc:
        raise from_validation_error(exc, body) from None
    if isinstance(model, FactBody) and not is_plain(body):
        check_texts(type(model), vars(model))
    return model


def entity_id(subject: Subject, body: Body) -> str:
    """Return the id of the entity: a session's is in the stored `subject`, a job's in the body.

    Raises InvalidFact when subject and body contradict: a job under two subjects might lie in two partitions,
    and its events would have no order.
    """
    if not isinstance(body, JobFact):
        return subject.id
    job_id = body.job_id
    if (
        subject.id != slot_of(token_of(job_id))
        or subject.fact != body.kind
        or body.site_id not in (None, subject.site)
    ):
        raise _wrong_subject(body.subject(subject.site))
    return job_id


def check_subject(subject: Subject, body: Body) -> None:
    """Check at admission that body and published subject agree. Raises InvalidFact."""
    if isinstance(body, JobFact) and subject != (right := body.subject(subject.site)):
        raise _wrong_subject(right)


def _wrong_subject(right: Subject) -> InvalidFact:
    return InvalidFact(
        "wrong_subject", f"the body is of another subject than it came under: its subject is {right}"
    )


def likely_entity_id(subject: Subject, body: bytes) -> str | None:
    """Return the id of the entity of a body that may be invalid; None if it cannot be told."""
    if subject.entity != "job":
        return subject.id
    try:
        entity = parse_json(body)["entity"]
        found = entity["parent_id"] if entity["type"] == "subjob" else entity["id"]
        fits = len(found.encode()) <= MAX_INDEXED_BYTES and found.isprintable()
        return found if fits and slot_of(token_of(found)) == subject.id else None
    except (InvalidFact, LookupError, TypeError, AttributeError):
        return None


def published_subject(stored: str, body: bytes) -> str:
    """Return the subject that a stored message was published under.

    For a job whose body tells no id it has the slot in place of the id.
    """
    subject = Subject.parse_stored(stored)
    found = likely_entity_id(subject, body)
    return str(subject if found is None else subject.of(token_of(found)))


def event_time(model: Body, header: str | None, stored_at: datetime) -> datetime:
    """Return when a fact happened: the body's timestamp, else that of the header, else the store time.

    Admission passes the present time as `stored_at`. Raises InvalidFact for a time too far after it.
    """
    claimed = model.timestamp
    if claimed is None and header is not None:
        claimed = parse_time(header, TIME)
    if claimed is None:
        return stored_at
    refuse_future(claimed, stored_at)
    return claimed


def message_id(subject: Subject, key: str) -> str:
    """Return the message id for an idempotency key: unique in the stream, across sites and entities."""
    return f"{subject.site}:{subject.entity}:{subject.id}:{key}"


def _unknown(entity: str, fact: str) -> str:
    if entity not in FACTS:
        return f"unknown entity {entity!r}: known are {', '.join(sorted(FACTS))}"
    return f"unknown fact {fact!r} of a {entity}: known are {', '.join(sorted(FACTS[entity]))}"
