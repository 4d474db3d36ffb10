"""Series: one metric over many sessions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

from projections.sessions.state_conditions import StateCondition, conditions_parameter
from projections.sessions.views import PROJECTION
from projections.statements import Statements, only_row
from runtime.database.connections import Connection

Aggregation = Literal["all", "peak", "average", "min"]
StateFilter = Literal["current_state", "state_history", "state_array_contains"]

# The statement's parameter for each filter.
_PARAMETERS: Final[dict[StateFilter, str]] = {
    "current_state": "state",
    "state_history": "state_ever",
    "state_array_contains": "state_array",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesQuery:
    """Which values of a metric. `until` is excluded; at most `limit` points are returned, the newest."""

    metric: str
    aggregation: Aggregation = "all"
    state_filter: StateFilter | None = None
    condition: StateCondition | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Statistics over all points (None without any), and `points`, a JSON array in the order of time.

    Statistics are doubles; a point has the number that was sent, or the mean of a session's.
    """

    position: str | None
    count: int
    sessions: int
    peak: float | None
    average: float | None
    low: float | None
    median: float | None
    deviation: float | None  # of the population
    points: bytes


class SessionSeries:
    """Reads series, each by one statement."""

    def __init__(self, *, schema: str = PROJECTION) -> None:
        statements = Statements("projections.sessions", schema, "state_conditions.sql")
        self._timeseries = {
            aggregation: statements.compose(
                "timeseries",
                series=f"{{series-{aggregation}}}",
                point="{own-value}" if aggregation == "average" else "{sent-value}",
            )
            for aggregation in get_args(Aggregation)
        }

    async def read(self, conn: Connection, query: SeriesQuery) -> Series:
        """Return the series of one metric."""
        conditions = [query.condition] if query.condition else []
        values = {
            "projection": PROJECTION,
            "parts": None,
            "metric": query.metric,
            "since": query.since,
            "until": query.until,
            "limit": query.limit,
            **{
                name: conditions_parameter(conditions if mode == query.state_filter else [])
                for mode, name in _PARAMETERS.items()
            },
        }
        statement = self._timeseries[query.aggregation]
        row = await only_row(conn, statement, values)
        position, count, sessions, peak, low, unit, mean, median, deviation, points = row
        return Series(
            position=position,
            count=count,
            sessions=sessions,
            peak=peak,
            average=_within(low, mean, unit, peak),
            low=low,
            median=_within(low, median, unit, peak),
            deviation=_within(0.0, deviation, unit, max(abs(low), abs(peak))) if count else None,
            points=(points or "[]").encode(),
        )


def _within(low: float | None, units: float | None, unit: float, high: float | None) -> float | None:
    """Return a statistic as a value. Rounding may have put it beyond what it lies between."""
    if low is None or units is None or high is None:
        return None
    return max(low, min(units * unit, high))
