"""Reuse of an idempotency key: JetStream drops a message whose id it knows, even one that says otherwise."""

from collections.abc import Sequence
from typing import Final

from line.messages import StoredMessage
from producers.publishing.outcomes import Ack, BusUnavailable, PublishError
from producers.publishing.publisher import Publisher
from producers.publishing.requests import InDoubt
from schemas.fact_digest import fact_digest
from schemas.facts import Fact
from schemas.registry import DECLARED
from schemas.subjects import Subject

_LOOK_TIMEOUT: Final = 2.0


async def stored_instead(
    publisher: Publisher, facts: Sequence[Fact], outcomes: Sequence[Ack | PublishError | None]
) -> dict[int, StoredMessage]:
    """Return, by the place of each fact that is not stored for that reason, the other one with its key.

    Raises InDoubt when the event stream does not answer, or does not hold what it took a fact for.
    """
    duplicates: dict[str, dict[int, int]] = {}
    for place, outcome in enumerate(outcomes):
        if isinstance(outcome, Ack) and outcome.duplicate:
            position = outcome.position
            if position.stream not in DECLARED.latest_only:  # a newer one may have replaced it
                duplicates.setdefault(position.stream, {})[place] = position.sequence
    found = {}
    for stream, places in duplicates.items():
        messages = await publisher.stored_lookup.at(stream, list(places.values()), _LOOK_TIMEOUT)
        for (place, sequence), message in zip(places.items(), messages, strict=True):
            if message is None:
                raise InDoubt(
                    f"{stream} took the event for that at sequence {sequence}, which is gone; after two "
                    "minutes it takes the event"
                )
            if not is_same_request(message, facts[place]):
                found[place] = message
    return found


def is_same_request(message: StoredMessage, fact: Fact) -> bool:
    """Whether a stored message says the same as a fact, apart from when."""
    stored, wanted = Subject.parse_stored(message.subject), fact.subject
    return fact_digest(stored.entity, stored.fact, message.body) == fact_digest(
        wanted.entity, wanted.fact, fact.body
    )


async def set_reused_aside(
    publisher: Publisher, facts: Sequence[Fact], outcomes: list[Ack | PublishError], *, timeout: float
) -> list[Ack | PublishError]:
    """Store facts whose key is another's under an id that JetStream does not know; returns all outcomes.

    For producers that cannot tell their client any more. The fold reads the key in the body and rejects the
    fact, so that it is found there with the reason.
    """
    keyed = [
        outcome if DECLARED.families[fact.subject.entity].body_key is not None else None
        for fact, outcome in zip(facts, outcomes, strict=True)
    ]
    try:
        places = list(await stored_instead(publisher, facts, keyed))
    except InDoubt as doubt:
        away = BusUnavailable(str(doubt))
        return [away if isinstance(one, Ack) and one.duplicate else one for one in outcomes]
    if places:
        again = [_under_another_id(facts[place]) for place in places]
        for place, outcome in zip(places, await publisher.publish_many(again, timeout=timeout), strict=True):
            outcomes[place] = outcome
    return outcomes


def _under_another_id(fact: Fact) -> Fact:
    digest = fact_digest(fact.subject.entity, fact.subject.fact, fact.body)
    return fact._replace(message_id=f"{fact.message_id}:{digest & (1 << 64) - 1:016x}")
