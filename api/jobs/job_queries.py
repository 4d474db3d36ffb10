"""Query parameters of the lists and statistics of jobs."""

from typing import Annotated, Any, Final, Literal, TypeVar, get_args

from fastapi import Request
from pydantic import Field

from api.jobs.list_cursor import read_cursor
from api.reading import cursor
from api.reading.params import Query, Text, invalid_cursor, invalid_parameter, read_query
from projections.jobs.filters import JobFilters
from projections.jobs.list_order import ListOrder, PageEnd
from projections.jobs.views import EntityType, Every
from schemas.jobs.facts import Status
from schemas.times import Timestamp

_STATUSES: Final = get_args(Status)
_METADATA: Final = "metadata."
_EVENTS: Final = "events"
_RANGES: Final = (
    *(f"{event}_{side}" for event in ("opened", "started", "ended") for side in ("after", "before")),
    "min_duration",
    "max_duration",
)
Q = TypeVar("Q", bound="ListQuery")
SortKey = Literal[
    "-inserted_at",
    "opened_at",
    "-opened_at",
    "started_at",
    "-started_at",
    "ended_at",
    "-ended_at",
    "duration_s",
    "-duration_s",
]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
JobsLimit = Annotated[int, Field(ge=1, le=10_000)]


class SiteQuery(Query):
    """The site of the job, for an id that exists at several sites."""

    site: Text | None = Field(
        None, description="Only this site; default: this server's own, else the only one that has the id."
    )


class JobQuery(SiteQuery):
    """A page of the events of a job."""

    cursor: Text | None = Field(None, description="`next_cursor` of the page of events before.")

    def after(self) -> int | None:
        """The last event of the page before. Raises HttpProblem."""
        if self.cursor is None:
            return None
        try:
            (after,) = cursor.decode(self.cursor, _EVENTS, int)
        except cursor.InvalidCursor:
            raise invalid_cursor(self.cursor, "the events of a job") from None
        return int(after)

    def next_cursor(self, after: int | None) -> str | None:
        """The cursor of the page behind an event; None on the last."""
        return None if after is None else cursor.encode(_EVENTS, after)


class ListQuery(Query):
    """Filters and page of a list of jobs or subjobs; `metadata.<key>=<value>` may be added for any key."""

    from_: Timestamp | None = Field(
        None, alias="from", description="`inserted_at` is this time or later (RFC 3339)."
    )
    to: Timestamp | None = Field(None, description="`inserted_at` is before this time (RFC 3339).")
    status: Text | None = Field(None, description=f"Comma-separated: {', '.join(_STATUSES)}.")
    app_name: Text | None = Field(None, description="Part of the application's name, in any case.")
    site: Text | None = Field(None, description="Site.")
    app_id: Text | None = Field(None, description="Id of the application.")
    stalled: bool | None = Field(
        None, description="true: only those that run and were silent for too long; false: all others."
    )
    opened_after: Timestamp | None = Field(None, description="`opened_at` is this time or later.")
    opened_before: Timestamp | None = Field(None, description="`opened_at` is before this time.")
    started_after: Timestamp | None = Field(None, description="`started_at` is this time or later.")
    started_before: Timestamp | None = Field(None, description="`started_at` is before this time.")
    ended_after: Timestamp | None = Field(None, description="`ended_at` is this time or later.")
    ended_before: Timestamp | None = Field(None, description="`ended_at` is before this time.")
    min_duration: Seconds | None = Field(None, description="`duration_s` is this or more.")
    max_duration: Seconds | None = Field(None, description="`duration_s` is this or less.")
    sort: SortKey | None = Field(
        None,
        description="Sort key; `-` in front for descending. What has no value is last. Default:"
        " `-inserted_at`, whose pages behind the first go by `-opened_at`; of tables `-opened_at`.",
    )
    limit: JobsLimit = Field(1000, description="Most items, 1 to 10000.")
    cursor: Text | None = Field(None, description="`next_cursor` of the page before.")

    def filters(self, metadata: dict[str, str], **more: Any) -> JobFilters:
        """The filters as the views take them. Raises HttpProblem."""
        return JobFilters(
            since=self.from_,
            until=self.to,
            status=_statuses(self.status),
            site=self.site,
            app_id=self.app_id,
            app_name=self.app_name,
            stalled=self.stalled,
            metadata=tuple(metadata.items()),
            **{name: getattr(self, name) for name in _RANGES},
            **more,
        )

    def order(self, *, is_table: bool) -> ListOrder:
        """The order as the views take it. A table is a walk unless another order is asked for."""
        sort = self.sort or ("-opened_at" if is_table else "-inserted_at")
        return ListOrder(sort.removeprefix("-"), sort.startswith("-"))  # type: ignore[arg-type]

    def after(self, kind: EntityType, order: ListOrder) -> PageEnd | None:
        """The place where the page before ended. Raises HttpProblem."""
        return None if self.cursor is None else read_cursor(self.cursor, kind, order)


class JobsQuery(ListQuery):
    """Filters and page of the list of jobs."""

    job_key: Text | None = Field(None, description="Business key.")
    outliers: bool = Field(
        False, description="true: only jobs that took over three times their application's median."
    )


class SubjobsQuery(ListQuery):
    """Filters and page of the list of subjobs."""

    job_id: Text | None = Field(None, description="Id of the job they belong to.")
    sub_key: Text | None = Field(None, description="Sub key.")


class StatsQuery(Query):
    """Filters of the statistics of ended jobs."""

    every: Every = Field("hour", description="One item for every hour or day (UTC).")
    from_: Timestamp | None = Field(None, alias="from", description="From the hour or day of this time on.")
    to: Timestamp | None = Field(None, description="Hours and days that begin before this time.")
    site: Text | None = Field(None, description="Site.")
    app_id: Text | None = Field(None, description="Id of the application.")
    app_name: Text | None = Field(None, description="Part of the application's name, in any case.")
    limit: JobsLimit = Field(1000, description="Most items, 1 to 10000.")

    def filters(self) -> JobFilters:
        """The filters as the views take them."""
        return JobFilters(
            since=self.from_, until=self.to, site=self.site, app_id=self.app_id, app_name=self.app_name
        )


def read_list_query(model: type[Q], request: Request) -> tuple[Q, dict[str, str]]:
    """Read a list's query, and its `metadata.<key>` parameters apart. Raises HttpProblem."""
    query = read_query(model, request, apart=_METADATA)
    metadata: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name.startswith(_METADATA):
            key = name.removeprefix(_METADATA)
            if key in metadata or not key or "\x00" in name + value:
                raise invalid_parameter(name, "one key with one value is needed, such as metadata.batch=7")
            metadata[key] = value
    return query, metadata


def _statuses(text: str | None) -> tuple[Status, ...]:
    if text is None:
        return ()
    named = [part.strip() for part in text.split(",") if part.strip()]
    if not named or not set(named) <= set(_STATUSES):
        raise invalid_parameter(
            "status", f"{text[:64]!r} is not allowed: one or more, comma-separated, of {', '.join(_STATUSES)}"
        )
    return tuple(status for status in _STATUSES if status in named)
