"""The bodies that the sessions surface answers with, for OpenAPI. Nothing is encoded by them.

The members of a session are those of `schemas.sessions.document`; a test compares the two. A field that may
be absent is `NotRequired`, and then never null.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from schemas.sessions.facts import Level, MetricType


class LoggedEvent(TypedDict):
    """An event of a session. Fields that the application did not send are absent."""

    timestamp: Annotated[datetime, Field(description="Event time.")]
    name: str
    level: Level
    category: str
    group: NotRequired[str]
    labels: NotRequired[list[str]]
    message: NotRequired[str]
    data: NotRequired[dict[str, Any]]
    stacktrace: NotRequired[list[str] | str]
    exception_type: NotRequired[str]
    exception_msg: NotRequired[str]
    source_file: NotRequired[str]
    source_line: NotRequired[int]
    source_function: NotRequired[str]


class RecordedMetric(TypedDict):
    """A measured value of a session. Fields that the application did not send are absent."""

    timestamp: Annotated[datetime, Field(description="Event time.")]
    name: str
    value: float
    type: MetricType
    count: NotRequired[int]
    unit: NotRequired[str]
    tags: NotRequired[list[str] | dict[str, Any]]
    metadata: NotRequired[dict[str, Any]]


class Snapshot(TypedDict):
    """The state of a session as it was from an event time on."""

    timestamp: datetime
    state: dict[str, Any]


class _SessionHead(TypedDict):
    id: str
    session_id: Annotated[str, Field(description="Equal to `id`.")]
    site: str
    created_at: Annotated[datetime, Field(description="Event time of the first fact.")]
    updated_at: Annotated[datetime, Field(description="Newest event time, or time of the newest heartbeat.")]
    ended_at: datetime | None
    last_heartbeat: Annotated[
        NotRequired[datetime], Field(description="When it was stored; absent before the first one.")
    ]
    active: bool
    suspended: Annotated[bool, Field(description="The session is open, and its heartbeats stopped.")]
    crashed: bool
    hung: bool
    machine_id: str | None
    hostname: str | None
    state: Annotated[dict[str, Any], Field(description="All patches, merged.")]


class Session(_SessionHead):
    """One session with everything that happened in it, in the order of the event stream."""

    events: list[LoggedEvent]
    metrics: list[RecordedMetric]
    state_history: Annotated[list[Snapshot], Field(description="The state after each change.")]


class SessionSummary(_SessionHead):
    """One session with the lengths of its timelines in their place (`timelines=false`)."""

    event_count: int
    metric_count: int


class _Page(TypedDict):
    total: Annotated[int, Field(description="The number of all that match, on every page.")]
    next_cursor: Annotated[str | None, Field(description="Leads to the next page; null on the last.")]


class EventPage(_Page):
    """A page of a session's events."""

    items: list[LoggedEvent]


class MetricPage(_Page):
    """A page of a session's metrics."""

    items: list[RecordedMetric]


class HistoryPage(_Page):
    """A page of a session's state history."""

    items: list[Snapshot]


class ComparedTime(TypedDict):
    """One of the two points in time that were compared."""

    at: datetime
    sequence: Annotated[int | None, Field(description="The session's last fact by then; null before it.")]
    exists: Annotated[bool, Field(description="Whether there was a session.")]


_Change = TypedDict("_Change", {"from": NotRequired[Any], "to": NotRequired[Any]})


class Difference(_Change):
    """One value that differs: `from` is absent for an added one, `to` for a removed one."""

    path: Annotated[str, Field(description="JSON Pointer (RFC 6901).")]
    change: Literal["added", "removed", "changed"]


_Between = TypedDict("_Between", {"from": ComparedTime, "to": ComparedTime})


class SessionDiff(_Between):
    """The changes of a session between two points in time."""

    id: str
    site: str
    fields: Annotated[list[Difference], Field(description="Differences outside the state.")]
    state: Annotated[list[Difference], Field(description="Up to 8 MiB of them.")]
    state_truncated: Annotated[bool, Field(description="There are more.")]
    event_count: Annotated[int, Field(description="The number of events in between.")]
    metric_count: Annotated[int, Field(description="The number of metrics in between.")]
    events: Annotated[list[LoggedEvent], Field(description="The first of them, up to `limit`.")]
    metrics: Annotated[list[RecordedMetric], Field(description="The first of them, up to `limit`.")]


class SeriesPoint(TypedDict):
    """One value of a series."""

    Timestamp: datetime
    Value: float
    SessionID: str
    Site: str


class TimeSeries(TypedDict):
    """A metric over many sessions. The statistics are of all points, and null without any."""

    MetricName: str
    AggregationType: Literal["all", "peak", "average", "min"]
    SessionsMatched: int
    PointsMatched: int
    Truncated: Annotated[bool, Field(description="More points match than are listed.")]
    Peak: float | None
    Average: float | None
    Min: float | None
    Median: float | None
    StdDev: Annotated[float | None, Field(description="Of the population.")]
    Points: Annotated[list[SeriesPoint], Field(description="The newest, in the order of time.")]
