"""The limit on times in the future: how far ahead of our clock a fact may say that it happened."""

from datetime import datetime, timedelta
from typing import Final

from schemas.times import format_time
from schemas.validation import InvalidFact

MAX_FUTURE: Final = timedelta(seconds=600)
"""How far ahead of the store time an event time may be; admission may allow less, never more."""


def is_in_future(at: datetime, stored_at: datetime) -> bool:
    """Whether a time is more than MAX_FUTURE after the store time."""
    return at > stored_at and at - stored_at > MAX_FUTURE


def refuse_future(at: datetime, stored_at: datetime) -> None:
    """Refuse a time more than MAX_FUTURE after the store time. Raises InvalidFact."""
    if is_in_future(at, stored_at):
        raise InvalidFact(
            "time_in_future",
            f"{format_time(at)} is more than {MAX_FUTURE.seconds} s after {format_time(stored_at)}: "
            "is the producer's clock right?",
        )


def refuse_skew(at: datetime, now: datetime, most: timedelta) -> None:
    """Refuse an event of a job that is more than `most` ahead of our clock. Raises InvalidFact.

    `most` is the setting FOLDLINE_JOB_MAX_SKEW: MAX_FUTURE by default, and never more.
    """
    if at - now > most:
        raise InvalidFact(
            "time_in_future",
            f"Event time skew too large: {format_time(at)} is more than {most.total_seconds():g} s "
            f"after {format_time(now)}, the time here: is the producer's clock right?",
        )
