"""Times in bodies and headers."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),  # the zero of Go, the smallest of .NET
        ("0001-01-01T00:00:00.0000000+00:00", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.9999999Z", datetime.max.replace(tzinfo=UTC)),  # the largest of .NET
        ("9999-12-31T23:59:59.9999999", datetime.max.replace(tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("2016-12-31T23:59:60.75Z", datetime(2016, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("2016-12-31T15:59:60.5-08:00", datetime(2016, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("2017-01-01T05:29:60+05:30", datetime(2016, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
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
        "2016-12-31T12:00:60Z",
        "2016-12-31T23:59:61Z",
        "2016-12-31T23:60:60Z",
        "2016-12-31T23:59:600Z",
        "2016-12-31T23:59:60-08:00",
        "2026-01-31T12:00:00Z ",
        "2026-01-31T12:00:00\u221205:00",
        "\uff12026-01-31T12:00:00Z",
        "\ufeff2026-01-31T12:00:00Z",
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


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("noon", "'noon' is not an RFC 3339 time such as 2026-01-31T12:00:00Z"),
        ("0001-01-01T00:00:00+14:00", "outside the years 1 to 9999 in UTC"),
        ("2016-12-31T12:00:60Z", "a leap second is the last one of a day in UTC"),
    ],
)
def test_the_error_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(InvalidFact) as caught:
        parse_time(text)
    assert says in caught.value.details


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_texts_sort_as_times_do(one: datetime, other: datetime) -> None:
    assert parse_time(format_time(one)) == one
    assert (format_time(one) < format_time(other)) == (one < other)
