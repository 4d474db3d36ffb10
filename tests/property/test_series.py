"""Time series of any doubles: no statistic fails, each is near the exact one, and points are as sent."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import sqrt
from typing import Any, Final, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from foldline.settings import Settings
from projections.sessions.projection import SessionsProjection
from projections.sessions.render import timeline_item
from projections.sessions.rows import METRIC
from projections.sessions.series import Aggregation, Series, SeriesQuery, SessionSeries
from projections.sessions.state import Session
from runtime.database.connections import Connection, connect

NOON: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
SESSIONS: Final = ("S0", "S1")
SERIES: Final = SessionSeries()

_NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        [0.0, -0.0, 5e-324, 1e-308, 1e-170, 1e-101, 1e-100, 1e100, 1e141, 1.7976931348623157e308]
    ),
    st.integers(-(2**70), 2**70),
)
Told = list[tuple[int, float]]
"""The values in the order of time, each with the number of its session."""


@pytest.fixture(scope="module")
async def conn(new_database: Callable[..., str]) -> AsyncIterator[Connection]:
    config = Settings(_env_file=None, database_url=new_database())
    async with await connect(config, name="test-series") as connection:
        projection = SessionsProjection()
        await projection.prepare(connection)
        states = {("local", one): Session.opened(0, 1, NOON) for one in SESSIONS}
        await projection.store(connection, dict(states))
        yield connection


async def store(conn: Connection, told: Told) -> None:
    await conn.execute("delete from sessions.metric")
    rows = []
    for seq, (session, value) in enumerate(told):
        at = NOON + timedelta(seconds=seq)
        body = timeline_item(at, {"name": "m", "value": value})
        rows.append((0, "local", SESSIONS[session], seq, at, "m", value, body))
    await METRIC.add(conn, "sessions", rows)


def exact_mean(values: list[float]) -> Fraction:
    return sum(map(Fraction, values), Fraction(0)) / len(values)


def expected_points(told: Told, aggregation: Aggregation) -> list[float]:
    """Return the values of the points in the order of time."""
    if aggregation == "all":
        return [value for _, value in told]
    found: list[tuple[int, float]] = []
    for session in {session for session, _ in told}:
        own = [(seq, value) for seq, (number, value) in enumerate(told) if number == session]
        if aggregation == "average":
            found.append((own[-1][0], float(exact_mean([value for _, value in own]))))
        else:
            best = (max if aggregation == "peak" else min)(float(value) for _, value in own)
            found.append(next((seq, value) for seq, value in own if float(value) == best))
    return [value for _, value in sorted(found)]


def near(found: float | None, expected: Fraction | float, scale: float, error: float = 1e-12) -> bool:
    """Whether a statistic is off by no more than a share of the largest value: sums are rounded."""
    assert found is not None
    return abs(Fraction(found) - Fraction(expected)) <= Fraction(scale) * Fraction(error) + Fraction(5e-324)


def check(found: Series, points: list[float], aggregation: Aggregation) -> None:
    served = [point["Value"] for point in json.loads(found.points)]
    scale = max(map(abs, map(float, points)))
    if aggregation == "average":
        assert all(near(one, point, max(scale, abs(one))) for one, point in zip(served, points, strict=True))
        points = served
    else:
        assert list(map(repr, served)) == list(map(repr, points))
    values = sorted(map(float, points))
    middle = values[(len(values) - 1) // 2 : len(values) // 2 + 1]
    mean = exact_mean(values)
    square = sum(((Fraction(value) - mean) / Fraction(scale or 1)) ** 2 for value in values) / len(values)
    assert (found.low, found.peak) == (values[0], values[-1])
    assert near(found.average, mean, scale)
    assert near(found.median, exact_mean(middle), scale)
    assert found.low <= min(found.average or 0, found.median or 0) <= found.peak
    assert near(found.deviation, Fraction(sqrt(square)) * Fraction(scale), scale, 1e-8)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 1), _NUMBERS), min_size=1, max_size=8))
@example([(0, 1e141), (0, 1e-170)])
@example([(0, 1e141), (1, 1e-170)])
@example([(0, 1e-170), (0, 1e-300)])
@example([(0, 5e-324), (1, 1e308)])
@example([(0, 5e-324), (0, -5e-324), (0, 5e-324)])
@example([(number % 2, 1.7976931348623157e308) for number in range(8)])
@example([(0, 1.7976931348623157e308), (0, -1.7976931348623157e308)])
@example([(0, 9007199254740993), (1, 2**70)])
async def test_statistics_of_any_doubles(conn: Connection, told: Told) -> None:
    await store(conn, told)
    for aggregation in get_args(Aggregation):
        found = await SERIES.read(conn, SeriesQuery(metric="m", aggregation=aggregation))
        points = expected_points(told, aggregation)
        assert found.count == len(points)
        check(found, points, aggregation)


async def test_a_series_without_a_point(conn: Connection) -> None:
    await store(conn, [])
    found: Any = await SERIES.read(conn, SeriesQuery(metric="m"))
    assert (found.count, found.peak, found.average, found.median, found.deviation) == (0, *[None] * 4)
