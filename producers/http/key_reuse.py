"""Reuse of an idempotency key: a key that was used for another kind of write would swallow this one."""

from typing import Final

from producers.publishing.publisher import Publisher
from producers.publishing.requests import InDoubt
from runtime.http.errors import HttpProblem, unavailable
from schemas.errors import ErrorCode
from schemas.facts import Fact
from schemas.positions import Position
from schemas.stored_subjects import entity_filter
from schemas.subjects import Subject, published_form

_LOOK_TIMEOUT: Final = 2.0


async def refuse_key_reuse(publisher: Publisher, fact: Fact, position: Position, partitions: int) -> None:
    """Refuse a fact acknowledged as a duplicate at `position` if the first one was about something else.

    Raises HttpProblem: 409, or 503 when the event stream does not answer.
    """
    subject = fact.subject
    where = entity_filter(subject.site, subject.entity, subject.id, partitions)
    try:
        first = await publisher.stored_lookup.next(position.stream, where, position.sequence, _LOOK_TIMEOUT)
    except InDoubt as doubt:
        raise unavailable(f"the event stream does not answer: {doubt}") from doubt
    if (
        first is not None
        and first.message_id == fact.message_id
        and Subject.parse_stored(first.subject) != subject
    ):
        raise HttpProblem(
            ErrorCode.KEY_REUSED,
            f"the key was used for {published_form(first.subject)}: use a new key for each write",
        )
