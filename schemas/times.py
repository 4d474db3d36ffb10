"""Times as they travel: RFC 3339 in, UTC with `Z` out. A time without a zone is taken as UTC."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import PlainValidator, TypeAdapter

from schemas.validation import InvalidFact

MAX_FUTURE: Final = timedelta(seconds=600)
_EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
_LATEST: Final = datetime(9999, 12, 30, tzinfo=UTC)


_USUAL: Final = re.compile(r"[12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
_FORM: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")


def _parse(value: Any) -> datetime:
    if isinstance(value, str):
        # What most write is read without detours, which cost more than the rest.
        if _USUAL.fullmatch(value):
            return datetime.fromisoformat(value)
        # Left alone, pydantic would also take "1700000000" for a time.
        if _FORM.match(value):
            return _to_utc(_ANY.validate_python(value))
    raise ValueError("not an RFC 3339 time such as 2026-01-31T12:00:00Z")


def _to_utc(value: datetime) -> datetime:
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    if not _EARLIEST <= aware <= _LATEST:
        raise ValueError("the time is outside the years 1 to 9999")
    return aware.astimezone(UTC)


_ANY: Final[TypeAdapter[datetime]] = TypeAdapter(datetime)

Timestamp = Annotated[datetime, PlainValidator(_parse, json_schema_input_type=datetime)]
"""A time in a body; more digits than microseconds are cut off."""


def parse_time(text: str, name: str = "timestamp") -> datetime:
    """Read an RFC 3339 time; raises InvalidFact that names the field or header."""
    try:
        return _parse(text)
    except ValueError:  # pydantic's is one as well
        raise InvalidFact(
            "invalid_time", f"{name}: {text[:64]!r} is not an RFC 3339 time such as 2026-01-31T12:00:00Z"
        ) from None


def format_time(value: datetime) -> str:
    """UTC, six digits, `Z`: the same text everywhere, so answers compare equal as strings."""
    utc = value if value.tzinfo is UTC else value.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:26] + "Z"


def json_time(value: datetime) -> datetime | str:
    """The same in JSON: msgspec writes a time itself, in a tenth of the time, but leaves zeros out."""
    return value if value.microsecond and value.tzinfo is UTC else format_time(value)
