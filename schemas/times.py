"""Times as they travel: RFC 3339 in, UTC with `Z` out. A time without a zone is taken as UTC."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter

from schemas.validation import InvalidFact

MAX_FUTURE: Final = timedelta(seconds=600)
_EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
_LATEST: Final = datetime(9999, 12, 30, tzinfo=UTC)


_OURS: Final = re.compile(r"[12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_FORM: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")


def _as_text(value: Any) -> Any:
    # Left alone, pydantic would also take "1700000000" for a time.
    if not isinstance(value, str) or not _FORM.match(value):
        raise ValueError("not an RFC 3339 time such as 2026-01-31T12:00:00Z")
    return value


def _to_utc(value: datetime) -> datetime:
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    if not _EARLIEST <= aware <= _LATEST:
        raise ValueError("the time is outside the years 1 to 9999")
    return aware.astimezone(UTC)


Timestamp = Annotated[datetime, Field(strict=False), BeforeValidator(_as_text), AfterValidator(_to_utc)]
"""A time in a body; more digits than microseconds are cut off."""

_ADAPTER: Final[TypeAdapter[datetime]] = TypeAdapter(Timestamp)


def parse_time(text: str, name: str = "timestamp") -> datetime:
    """Read an RFC 3339 time; raises InvalidFact that names the field or header."""
    try:
        # What our own publishers write is read without pydantic's detours, which cost more than the rest.
        if _OURS.fullmatch(text):
            return datetime.fromisoformat(text)
        return _ADAPTER.validate_python(text)
    except ValueError:  # pydantic's is one as well
        raise InvalidFact(
            "invalid_time", f"{name}: {text[:64]!r} is not an RFC 3339 time such as 2026-01-31T12:00:00Z"
        ) from None


def format_time(value: datetime) -> str:
    """UTC, six digits, `Z`: the same text everywhere, so answers compare equal as strings."""
    utc = value if value.tzinfo is UTC else value.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:26] + "Z"
