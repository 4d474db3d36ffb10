"""Event time: when a fact happened, by whose clock, and how far ahead of ours it may be."""

from datetime import datetime, timedelta
from typing import Final

from schemas.facts import TIME, Body
from schemas.times import format_time, parse_time
from schemas.validation import InvalidFact

MAX_FUTURE: Final = timedelta(seconds=600)
"""How far ahead of the store time an event time may be; admission may allow less, never more."""


def event_time(model: Body, header: str | None, stored_at: datetime) -> datetime:
    """Return when a fact happened: the body's timestamp, else that of the header, else the store time.

    Admission passes the present time as `stored_at`. Raises InvalidFact for a time more than
    MAX_FUTURE after it.
    """
    claimed = model.timestamp
    if claimed is None and header is not None:
        claimed = parse_time(header, TIME)
    if claimed is None:
        return stored_at
    if claimed > stored_at and claimed - stored_at > MAX_FUTURE:
        raise InvalidFact(
            "time_in_future",
            f"{format_time(claimed)} is more than {MAX_FUTURE.seconds} s after {format_time(stored_at)}: "
            "is the producer's clock right?",
        )
    return claimed
