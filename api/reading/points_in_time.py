"""Moments on the line, as `at`, `from` and `to` name them: a store time, or a sequence of SESSIONS."""

from dataclasses import dataclass
from datetime import datetime

from api.reading.params import bad_parameter
from line.raw_event import RawEvent
from schemas.streams import HEARTBEATS
from schemas.times import parse_time
from schemas.validation import InvalidFact

_DIGITS = 18  # of a sequence; more do not fit one


@dataclass(frozen=True, slots=True)
class Moment:
    """Right after a sequence or a store time; neither is now."""

    sequence: int | None = None
    time: datetime | None = None

    def includes(self, event: RawEvent) -> bool:
        """Whether an event had been stored by then. Heartbeats have other sequences: see `clock`."""
        if self.sequence is not None:
            return event.stream != HEARTBEATS.name and event.sequence <= self.sequence
        return self.time is None or event.stored_at <= self.time

    def clock(self, last: RawEvent | None, now: datetime) -> datetime:
        """What time it was: of a sequence, the store time of the session's last fact up to it."""
        if self.sequence is not None and last is not None:
            return last.stored_at
        return min(self.time, now) if self.time else now


NOW = Moment()


def read_moment(name: str, text: str | None) -> Moment:
    """Read a parameter. Raises HttpProblem (400) that says what is allowed."""
    if text is None:
        return NOW
    if text.isascii() and text.isdigit():
        if len(text) > _DIGITS or int(text) < 1:
            raise bad_parameter(name, "a sequence is a number from 1 on")
        return Moment(sequence=int(text))
    try:
        return Moment(time=parse_time(text, name))
    except InvalidFact:
        raise bad_parameter(
            name,
            f"{text[:64]!r} is neither an RFC 3339 time such as 2026-01-31T12:00:00Z (a + is %2B in a URL) "
            "nor a sequence of SESSIONS",
        ) from None
