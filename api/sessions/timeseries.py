"""`/api/timeseries`: one metric over many sessions."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field
from pydantic_core import to_json

from api.reading.params import Query, Text, invalid_parameter, read_query, state_conditions
from api.reading.reader import Reader
from api.reading.responses import json_response
from projections.sessions.series import Aggregation, Series, SeriesQuery, SessionSeries, StateFilter
from projections.sessions.state_conditions import StateCondition
from projections.sessions.views import PROJECTION
from runtime.http.openapi import operation
from runtime.http.waits import POSITION_HEADER, READ_HEADERS
from schemas.sessions.responses import TimeSeries
from schemas.times import Timestamp


class TimeseriesQuery(Query):
    """The metric, the sessions whose values count, and how values become points."""

    metric: Text = Field(min_length=1, description="Name of the metric.")
    aggregation: Aggregation = Field(
        "all", description="all: each value is a point; else one point a session."
    )
    filter_mode: Literal["none"] | StateFilter = Field(
        "none", description="The state that filter_value is compared with."
    )
    filter_path: Text | None = Field(None, description="Dotted path into the state.")
    filter_value: Text | None = Field(None, description="The value at filter_path, as text or JSON.")
    since: Timestamp | None = Field(None, description="From this event time on (RFC 3339).")
    until: Timestamp | None = Field(None, description="Before this event time (RFC 3339).")
    limit: Annotated[int, Field(ge=1, le=100_000)] = Field(
        10_000, description="Most points, 1 to 100000; the newest are kept, the statistics are of all."
    )

    def condition(self) -> StateCondition | None:
        """The condition on the state. Raises HttpProblem (400)."""
        if self.filter_mode == "none":
            return None
        if not self.filter_path:
            raise invalid_parameter("filter_path", f"required with filter_mode={self.filter_mode}")
        if self.filter_value is None:
            raise invalid_parameter("filter_value", f"required with filter_mode={self.filter_mode}")
        text = f"{self.filter_path}={self.filter_value}"
        return state_conditions("filter_value", (text,), scalar=self.filter_mode == "state_history")[0]


def timeseries_router(reader: Reader, series: SessionSeries) -> APIRouter:
    """The route of time series."""
    router = APIRouter(tags=["data"])

    @router.get(
        "/api/timeseries",
        **operation(
            "read_timeseries",
            TimeSeries,
            query=TimeseriesQuery,
            request_headers=READ_HEADERS,
            response_headers=(POSITION_HEADER,),
            errors=(400, 503),
        ),
    )
    async def timeseries(request: Request) -> Response:
        """A metric's points by time, with statistics of all of them."""
        query = read_query(TimeseriesQuery, request)
        wanted = SeriesQuery(
            metric=query.metric,
            aggregation=query.aggregation,
            state_filter=None if query.filter_mode == "none" else query.filter_mode,
            condition=query.condition(),
            since=query.since,
            until=query.until,
            limit=query.limit,
        )
        await reader.wait_for_positions(PROJECTION, request.headers)
        found = await reader.read(lambda conn: series.read(conn, wanted))
        return json_response(_body(query, found), found.position)

    return router


def _body(query: TimeseriesQuery, found: Series) -> bytes:
    numbers = to_json(
        {
            "MetricName": query.metric,
            "AggregationType": query.aggregation,
            "SessionsMatched": found.sessions,
            "PointsMatched": found.count,
            "Truncated": found.count > query.limit,
            "Peak": found.peak,
            "Average": found.average,
            "Min": found.low,
            "Median": found.median,
            "StdDev": found.deviation,
        }
    )
    return b'%b,"Points":%b}' % (numbers[:-1], found.points)
