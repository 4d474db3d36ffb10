"""Outcomes of a fact that was handed to the publisher: an acknowledgement, or one of these errors."""

from typing import Final, NamedTuple

from schemas.facts import Fact
from schemas.positions import Position

RETRY_AFTER_S: Final = 1.0


class Ack(NamedTuple):
    """The fact is stored and synced at `position`; `duplicate`: by an earlier fact with its message id."""

    position: Position
    duplicate: bool


class PublishError(Exception):
    """The fact has no acknowledgement. Only BusUnavailable leaves open whether it was stored."""


class Conflict(PublishError):
    """The last sequence of the fact's entity is `last` and not the expected one; the fact was not stored."""

    def __init__(self, fact: Fact, last: int) -> None:
        site, entity, entity_id = fact.subject.address
        super().__init__(f"the last sequence of {entity} {entity_id} at {site} is {last}")
        self.fact = fact
        self.last = last


class Refused(PublishError):
    """The server does not take this fact, now or later; it was not stored."""


class BusUnavailable(PublishError):
    """No answer came within the caller's bound: try again in `retry_after` seconds under the same message id.

    The fact may be stored if it was on its way when the bound ran out; it is not sent again.
    """

    def __init__(self, details: str, retry_after: float = RETRY_AFTER_S) -> None:
        super().__init__(details)
        self.retry_after = retry_after
