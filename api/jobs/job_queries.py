"""Query parameters of the lists and statistics of jobs."""

from typing import Annotated, Any, Final, TypeVar, get_args

from fastapi import Request
from pydantic import Field

from api.reading import cursor
from api.reading.params import Query, Text, invalid_cursor, invalid_parameter, read_query
from projections.jobs.views import EntityType, Every, JobFilters, PageEnd
from schemas.jobs.facts import Status
from schemas.times import Timestamp, parse_time
from schemas.validation import InvalidFact

_STATUSES: Final = get_args(Status)
_METADATA: Final = "metadata."
Q = TypeVar("Q", bound="ListQuery")
JobsLimit = Annotated[int, Field(ge=1, le=10_000)]


class SiteQuery(Query):
    """The site of the job, for an id that exists at several sites."""

    site: Text | None = Field(
        None, description="Only this site; default: this server's own, else the only one that has the id."
    )


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
            **more,
        )

    def after(self, kind: EntityType) -> PageEnd | None:
        """The place where the page before ended. Raises HttpProblem."""
        if self.cursor is None:
            return None
        try:
            end = PageEnd(*cursor.decode(self.cursor, kind, str, str, str, str))
            parse_time(end.inserted_at)
        except (cursor.InvalidCursor, InvalidFact):
            raise invalid_cursor(self.cursor, f"a list of {kind}s") from None
        return end


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
