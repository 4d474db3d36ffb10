"""The bodies that the jobs surfaces answer with, for OpenAPI. Nothing is encoded by them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from schemas.jobs.facts import Kind, Status

_Metrics = Annotated[dict[str, float], Field(description="Numbers by name.")]
_Seconds = Annotated[float | None, Field(description="Seconds.")]


class _JobHead(TypedDict):
    job_id: str
    app_id: str
    app_name: str
    app_version: str | None
    site_id: str
    job_key: Annotated[str | None, Field(description="Business key.")]


class _SubjobHead(TypedDict):
    subjob_id: str
    job_id: Annotated[str, Field(description="The job it belongs to.")]
    app_id: str
    app_name: str
    app_version: str | None
    site_id: str
    sub_key: str | None


class _Life(TypedDict):
    """The fields that jobs and subjobs share."""

    status: Status
    started_at: Annotated[datetime | None, Field(description="Begin of the newest attempt.")]
    ended_at: Annotated[datetime | None, Field(description="End of the newest attempt.")]
    duration_s: Annotated[
        float | None, Field(description="As the producer measured it, else from start to end; seconds.")
    ]
    cpu_user_s: _Seconds
    cpu_system_s: _Seconds
    mem_max_mb: Annotated[float | None, Field(description="Megabytes.")]
    metadata: dict[str, Any]
    inserted_at: Annotated[datetime, Field(description="When the newest event was stored.")]
    metrics: _Metrics
    attempts: int
    errors: Annotated[int, Field(description="The number of events of the kind `error`.")]
    last_event_at: Annotated[datetime, Field(description="Newest event time, of a job with its subjobs.")]
    stalled: Annotated[bool, Field(description="It runs, and was silent for too long.")]
    opened_at: Annotated[datetime, Field(description="When its first event was stored; it never changes.")]


class StatusCounts(TypedDict):
    """How many subjobs have each status."""

    running: int
    succeeded: int
    failed: int
    canceled: int


class Job(_JobHead, _Life):
    """A job. The order of the fields is that of a table's columns."""

    subjobs_by_status: StatusCounts


class Subjob(_SubjobHead, _Life):
    """A part of a job. The order of the fields is that of a table's columns."""


class JobHistoryEvent(TypedDict):
    """One event of a job or of one of its subjobs."""

    sequence: Annotated[int, Field(description="Its place in the event stream.")]
    at: datetime
    entity_type: Literal["job", "subjob"]
    subjob_id: Annotated[str | None, Field(description="Null for an event of the job itself.")]
    kind: Kind
    status: Status | None
    metrics: _Metrics
    metadata: dict[str, Any]


class Attempt(TypedDict):
    """One attempt: what happened from one `started` to the next."""

    number: Annotated[int, Field(description="From 1.")]
    outcome: Annotated[
        Literal["running", "succeeded", "failed", "canceled", "lost"],
        Field(description="`lost`: another attempt began, and this one never told its end."),
    ]
    started_at: datetime | None
    ended_at: datetime | None
    duration_s: _Seconds
    error: Annotated[Any, Field(description="As its metadata told it.")]
    error_type: Any
    metrics: _Metrics


class WholeSubjob(Subjob):
    """A subjob with its attempts."""

    attempt_list: list[Attempt]


class WholeJob(Job):
    """A job with its attempts, its subjobs and a page of its events: at most 10,000 of each, and 8 MiB."""

    attempt_list: Annotated[list[Attempt], Field(description="The newest last; of too many the newest.")]
    subjobs: Annotated[list[WholeSubjob], Field(description="The list of subjobs has all of them.")]
    events: Annotated[list[JobHistoryEvent], Field(description="In the order of the event stream.")]
    next_cursor: Annotated[str | None, Field(description="Leads to the next events; null on the last page.")]


class _Page(TypedDict):
    count: Annotated[int, Field(description="The number of items on this page.")]
    duration_s: Annotated[float, Field(description="How long the answer took, seconds.")]
    next_cursor: Annotated[str | None, Field(description="Leads to the next page; null on the last.")]


class JobPage(_Page):
    """A page of jobs."""

    items: list[Job]


class SubjobPage(_Page):
    """A page of subjobs."""

    items: list[Subjob]


class DurationStats(TypedDict):
    """Durations of ended jobs in seconds; null when none has one. Percentiles are within 4.5 %."""

    mean: float | None
    p50: float | None
    p95: float | None
    max: float | None


class MemoryStats(TypedDict):
    """Peak memory of ended jobs in megabytes; null when none has one."""

    mean: float | None
    max: float | None


class JobStats(TypedDict):
    """Figures of the jobs of one application that ended in one hour or day (UTC).

    A job counts once, by its newest attempt that ended.
    """

    start: Annotated[datetime, Field(description="Begin of the hour or day.")]
    site_id: str
    app_id: str
    app_name: str
    count: int
    succeeded: int
    failed: int
    canceled: int
    success_rate: Annotated[float, Field(description="From 0 to 1.")]
    attempts: Annotated[int, Field(description="Of all these jobs.")]
    failed_attempts: int
    lost_attempts: int
    duration_s: DurationStats
    cpu_s: _Seconds
    mem_mb: MemoryStats


class JobStatsPage(TypedDict):
    """Statistics by hour or day, site and application, newest first."""

    items: list[JobStats]
    count: int


class LivePayload(TypedDict):
    """The content of an event, as it was sent."""

    status: Status | None
    metrics: _Metrics
    metadata: dict[str, Any]


class LiveJobEvent(TypedDict):
    """The data of a server-sent event of the live stream."""

    at: datetime
    entity_type: Literal["job", "subjob"]
    entity_id: str
    job_id: str
    site_id: str
    app_id: str
    app_name: str
    kind: Kind
    status: Annotated[Status | None, Field(description="The status that the event ends an attempt with.")]
    payload: LivePayload
