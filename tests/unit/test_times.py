"""Times in bodies and headers."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from schemas.times import format_time, parse_time
from schemas.validation import InvalidFact

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31t12:00:00z", NOON),
        ("2026-01-31 12:00:00Z", NOON),
        ("2026-01-31T12:00:00", NOON),
        ("2026-01-31T13:30:00+01:30", NOON),
        ("2026-01-31T12:00:00.5Z", NOON.replace(microsecond=500_000)),
        ("2026-01-31T12:00:00.123456789Z", NOON.replace(microsecond=123_456)),
        ("0001-01-02T00:00:00Z", datetime(1, 1, 2, tzinfo=UTC)),
        ("9999-12-30T00:00:00Z", datetime(9999, 12, 30, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_utc(text: str, time: datetime) -> None:
    read = parse_time(text)
    assert read == time
    assert read.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1700000000",
        "1700000000.5",
        "noon",
        "2026-01-31",
        "12:00:00",
        "2026-02-30T12:00:00Z",
        "2026-01-31T25:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "2026-01-31T12:00:00Zzz",
        "PT5S",
    ],
)
def test_others_are_refused(text: str) -> None:
    with pytest.raises(InvalidFact, match="Foldline-Time: ") as caught:
        parse_time(text, "Foldline-Time")
    assert caught.value.reason == "invalid_time"


def test_times_are_written_one_way() -> None:
    assert format_time(NOON) == "2026-01-31T12:00:00.000000Z"
    assert format_time(NOON.astimezone(timezone(timedelta(hours=5)))) == "2026-01-31T12:00:00.000000Z"
    assert format_time(datetime(1, 1, 2, tzinfo=UTC)) == "0001-01-02T00:00:00.000000Z"
