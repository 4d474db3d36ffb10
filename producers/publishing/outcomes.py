"""What becomes of a fact handed to the publisher: an acknowledgement, or one of these errors."""

from typing import Final, NamedTuple

from schemas.positions import Position

RETRY_AFTER: Final = 1.0


class Ack(NamedTuple):
    """Stored and synced at `position`; `duplicate` when an earlier fact had the same message id."""

    position: Position
    duplicate: bool


class PublishError(Exception):
    """The fact has no acknowledgement. Only BusUnavailable leaves open whether it was stored."""


class Conflict(PublishError):
    """The entity's last sequence is `last` and not the expected one; nothing was stored."""

    def __init__(self, last: int) -> None:
        super().__init__(f"the entity's last sequence is {last}")
        self.last = last


class Refused(PublishError):
    """The server will not take this fact, now or later; nothing was stored."""


class BusUnavailable(PublishError):
    """No answer within the caller's bound; try again after `retry_after` seconds, under the same message id.

    The fact may be stored if it was on its way when the bound ran out; it is not sent again.
    """

    def __init__(self, details: str, retry_after: float = RETRY_AFTER) -> None:
        super().__init__(details)
        self.retry_after = retry_after
