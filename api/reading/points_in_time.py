"""Points in time that `at`, `from` and `to` name: a store time, or a sequence of SESSIONS."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from api.reading.params import invalid_parameter
from line.raw_event import RawEvent
from schemas.registry import DECLARED
from schemas.times import format_time, parse_time
from schemas.validation import InvalidFact

_DIGITS: Final = 18  # of a sequence; more do not fit one


@dataclass(frozen=True, slots=True)
class PointInTime:
    """The point right after a sequence or a store time; now when it has neither."""

    sequence: int | None = None
    time: datetime | None = None

    def includes(self, event: RawEvent) -> bool:
        """Whether an event had been stored by then. Heartbeats have other sequences: see `clock`."""
        if self.sequence is not None:
            return event.stream not in DECLARED.latest_only and event.sequence <= self.sequence
        return self.time is None or event.stored_at <= self.time

    def clock(self, last: RawEvent | None, now: datetime) -> datetime:
        """The time it was then. A sequence has the store time of `last`, the session's last fact up to it."""
        if self.sequence is not None and last is not None:
            return last.stored_at
        return min(self.time, now) if self.time else now

    def __str__(self) -> str:
        if self.sequence is not None:
            return f"at sequence {self.sequence}"
        return f"at {format_time(self.time)}" if self.time else "now"


NOW: Final = PointInTime()


def read_point_in_time(name: str, text: str | None) -> PointInTime:
    """Read the parameter `name`; None is now. Raises HttpProblem (400) that says what is allowed."""
    if text is None:
        return NOW
    if text.isascii() and text.isdigit():
        if len(text) > _DIGITS or int(text) < 1:
            raise invalid_parameter(
                name, f"{text[:64]!r} is not a sequence: that is a number from 1 on, of 18 digits at most"
            )
        return PointInTime(sequence=int(text))
    try:
        return PointInTime(time=parse_time(text, name))
    except InvalidFact:
        raise invalid_parameter(
            name,
            f"{text[:64]!r} is neither an RFC 3339 time such as 2026-01-31T12:00:00Z (a + is %2B in a URL) "
            "nor a sequence of SESSIONS",
        ) from None
