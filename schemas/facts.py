"""Facts: a published subject, a body and optional headers, and their validation."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from pydantic import ValidationError

from schemas.family import Body
from schemas.future_limit import MAX_FUTURE, is_in_future, refuse_future
from schemas.registry import DECLARED
from schemas.subjects import Subject, slot_of, token_of
from schemas.texts import has_control
from schemas.times import format_time, parse_time
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
CLOCK: Final = "Foldline-Clock"
"""The header of a fact whose time software of ours read from the clock of its host, and nobody claimed."""
OWN_CLOCK: Final = "own"
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


_PARSERS: Final = {name: fact.parse for name, fact in DECLARED.fact_types.items()}
_BODY_ADDRESSES: Final = {
    entity: family.body_address
    for entity, family in DECLARED.families.items()
    if family.body_address is not None
}
_READ_ADDRESS: Final = {entity: address.read for entity, address in _BODY_ADDRESSES.items()}


def parse_fact(entity: str, fact: str, body: bytes, *, max_bytes: int = MAX_FACT_BYTES) -> Body:
    """Validate a body; an empty one means `{}`. Raises InvalidFact and nothing else."""
    parser = _PARSERS.get((entity, fact))
    if parser is None:
        raise InvalidFact("unknown_fact", _unknown(entity, fact))
    check_body(body, max_bytes=max_bytes)
    try:
        return parser(body or b"{}")
    except ValidationError as exc:
        raise from_validation_error(exc, body) from None


def entity_id(subject: Subject, body: Body) -> str:
    """Return the id of the entity: it is in the stored `subject`, or in the body where that has a slot.

    Raises InvalidFact when subject and body contradict: a job under two subjects might lie in two partitions,
    and its events would have no order.
    """
    read = _READ_ADDRESS.get(subject.entity)
    if read is None:
        return subject.id
    site, found, fact = read(body)
    if subject.id != slot_of(found) or subject.fact != fact or site not in (None, subject.site):
        raise _wrong_subject(own_subject(subject, body))
    return found


def own_subject(subject: Subject, body: Body) -> Subject:
    """Return the subject that a fact belongs under: `subject`, or what its body says, if that says any."""
    read = _READ_ADDRESS.get(subject.entity)
    if read is None:
        return subject
    site, found, fact = read(body)
    return Subject(site or subject.site, subject.entity, token_of(found), fact)


def own_key(subject: Subject, body: Body) -> str | None:
    """Return the idempotency key that a body carries; None if it carries none."""
    read = DECLARED.families[subject.entity].body_key
    return None if read is None else read(body)


def check_subject(subject: Subject, body: Body) -> None:
    """Check at admission that body and published subject agree. Raises InvalidFact."""
    right = own_subject(subject, body)
    if right is not subject and right != subject:
        raise _wrong_subject(right)


def _wrong_subject(right: Subject) -> InvalidFact:
    return InvalidFact(
        "wrong_subject", f"the body is of another subject than it came under: its subject is {right}"
    )


def likely_entity_id(subject: Subject, body: bytes) -> str | None:
    """Return the id of the entity of a body that may be invalid; None if it cannot be told."""
    address = _BODY_ADDRESSES.get(subject.entity)
    if address is None:
        return subject.id
    try:
        found: str = address.guess(parse_json(body))
        fits = len(found.encode()) <= MAX_INDEXED_BYTES and not has_control(found)
        return found if fits and slot_of(found) == subject.id else None
    except (InvalidFact, LookupError, TypeError, AttributeError):
        return None


def published_subject(stored: str, body: bytes) -> str:
    """Return the subject that a stored message was published under.

    It has the slot in place of the id where there is one and the body tells no id.
    """
    subject = Subject.parse_stored(stored)
    found = likely_entity_id(subject, body)
    return str(subject if found is None else subject.of(token_of(found)))


def clock_headers(now: datetime) -> dict[str, str]:
    """Return the headers of a fact that happens now, by our own clock."""
    return {TIME: format_time(now), CLOCK: OWN_CLOCK}


def event_time(model: Body, find: Callable[[str], str | None], stored_at: datetime) -> datetime:
    """Return when a fact happened: the body's timestamp, else that of its header, else the store time.

    `find` returns the value of a header. Admission passes the present time as `stored_at`. A time too far
    after it is refused where a producer claims it (InvalidFact). Where software of ours read it from a clock
    that is wrong, the latest allowed time counts: so the order of the clock stays.
    """
    claimed = model.timestamp
    if claimed is None and (text := find(TIME)) is not None:
        claimed = parse_time(text, TIME)
    if claimed is None:
        return stored_at
    if is_in_future(claimed, stored_at):
        if find(CLOCK) == OWN_CLOCK:
            return stored_at + MAX_FUTURE
        refuse_future(claimed, stored_at)
    return claimed


def message_id(subject: Subject, key: str) -> str:
    """Return the message id for an idempotency key: unique in the stream, across sites and entities."""
    return f"{subject.site}:{subject.entity}:{subject.id}:{key}"


def _unknown(entity: str, fact: str) -> str:
    if entity not in DECLARED.facts:
        return f"unknown entity {entity!r}: known are {', '.join(sorted(DECLARED.facts))}"
    return f"unknown fact {fact!r} of a {entity}: known are {', '.join(sorted(DECLARED.facts[entity]))}"
