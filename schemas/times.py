"""Times in JSON and headers: RFC 3339 is read, UTC with `Z` is written. A time without a zone is UTC."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import PlainValidator, TypeAdapter

from schemas.validation import InvalidFact

_EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
_LATEST: Final = datetime(9999, 12, 30, tzinfo=UTC)


_USUAL: Final = re.compile(r"[12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
_FORM: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")


def _parse(value: Any) -> datetime:
    if isinstance(value, str):
        # The usual form is read directly: pydantic costs more than the rest of this function.
        if _USUAL.fullmatch(value):
            return datetime.fromisoformat(value)
        # pydantic alone would also take "1700000000" for a time.
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
"""A time in a body; digits beyond microseconds are cut off."""


def parse_time(text: str, name: str = "timestamp") -> datetime:
    """Read an RFC 3339 time. Raises InvalidFact, which names the field or header."""
    try:
        return _parse(text)
    except ValueError:  # pydantic's error is one as well
        raise InvalidFact(
            "invalid_time", f"{name}: {text[:64]!r} is not an RFC 3339 time such as 2026-01-31T12:00:00Z"
        ) from None


def format_time(value: datetime) -> str:
    """Return a time in UTC with six digits and `Z`: one form everywhere, so that texts can be compared."""
    utc = value if value.tzinfo is UTC else value.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:26] + "Z"


def json_time(value: datetime) -> datetime | str:
    """Return a value that msgspec writes as `format_time` does.

    msgspec writes a time itself in a tenth of the time, but leaves out zero microseconds.
    """
    return value if value.microsecond and value.tzinfo is UTC else format_time(value)
