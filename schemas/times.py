"""Times in JSON and headers: RFC 3339 is read, UTC with `Z` is written. A time without a zone is UTC."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import PlainValidator, TypeAdapter

from schemas.validation import InvalidFact

_USUAL: Final = re.compile(r"[12]\d{3}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(?:\.\d{1,6})?Z", re.ASCII)
_FORM: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d[\d:.,+\-Zz]*", re.ASCII)
_LEAP: Final = re.compile(r"(.{16}):60(?:[.,]\d+)?(?!\d)")
_NO_TIME: Final = "not an RFC 3339 time such as 2026-01-31T12:00:00Z"


def _parse(value: Any) -> datetime:
    if isinstance(value, str):
        # The usual form is read directly: pydantic costs more than the rest of this function.
        if _USUAL.fullmatch(value):
            return datetime.fromisoformat(value)
        # pydantic alone would also take "1700000000" for a time.
        if _FORM.fullmatch(value):
            return _parse_other(value)
    raise ValueError(_NO_TIME)


def _parse_other(text: str) -> datetime:
    # A leap second becomes the last microsecond before it, which keeps its place in the order.
    plain, leaps = _LEAP.subn(r"\1:59.999999", text, count=1)
    try:
        time = _ANY.validate_python(plain)
    except ValueError:  # pydantic's error is one as well
        raise ValueError(_NO_TIME) from None
    utc = _to_utc(time)
    if leaps and (utc.hour, utc.minute) != (23, 59):
        raise ValueError("no time: a leap second is the last one of a day in UTC, 23:59:60Z")
    return utc


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("outside the years 1 to 9999 in UTC") from None


_ANY: Final[TypeAdapter[datetime]] = TypeAdapter(datetime)

Timestamp = Annotated[datetime, PlainValidator(_parse, json_schema_input_type=datetime)]
"""A time in a body; digits beyond microseconds are cut off."""


def parse_time(text: str, name: str = "timestamp") -> datetime:
    """Read an RFC 3339 time. Raises InvalidFact, which names the field or header."""
    try:
        return _parse(text)
    except ValueError as exc:
        raise InvalidFact("invalid_time", f"{name}: {text[:64]!r} is {exc}") from None


def format_time(value: datetime) -> str:
    """Return a time in UTC with six digits and `Z`: one form everywhere, so that texts can be compared."""
    utc = value if value.tzinfo is UTC else value.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:26] + "Z"


def json_time(value: datetime) -> datetime | str:
    """Return a value that msgspec and pydantic write as `format_time` does.

    They write a time themselves in a tenth of the time, but leave out zero microseconds.
    """
    return value if value.microsecond and value.tzinfo is UTC else format_time(value)
