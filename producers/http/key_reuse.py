"""Refusal of writes under an idempotency key that was used for another one."""

from collections.abc import Sequence

from line.messages import StoredMessage
from producers.key_reuse import stored_instead
from producers.publishing.outcomes import Ack
from producers.publishing.publisher import Publisher
from producers.publishing.requests import InDoubt
from runtime.http.errors import HttpProblem, unavailable
from schemas.errors import ErrorCode
from schemas.facts import Fact, published_subject


async def reused_keys(
    publisher: Publisher, facts: Sequence[Fact], acks: Sequence[Ack]
) -> dict[int, HttpProblem]:
    """Return the refusals of facts that JetStream dropped for the key of another one, by place.

    Raises HttpProblem 503 when the event stream cannot tell.
    """
    try:
        found = await stored_instead(publisher, facts, acks)
    except InDoubt as doubt:
        raise unavailable(f"the event stream does not answer: {doubt}") from doubt
    return {place: key_reused(message) for place, message in found.items()}


def key_reused(first: StoredMessage) -> HttpProblem:
    """Return the refusal of a fact whose key was used for another one."""
    subject = published_subject(first.subject, first.body)
    return HttpProblem(
        ErrorCode.KEY_REUSED,
        f"the idempotency key was used for another write to {subject}, at sequence {first.sequence}: use a "
        "new key for each write",
    )
