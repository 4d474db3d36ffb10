"""GET of jobs, subjobs and their statistics, as the jobs reference documents them."""

import time
from datetime import timedelta
from typing import Annotated, Any, Final, TypeVar, get_args

from fastapi import APIRouter, Request, Response
from pydantic import Field
from pydantic_core import to_json

from api.jobs.jobs_collector import reading
from api.jobs.site_monitor import SiteMonitor
from api.reading import cursor, formats
from api.reading.params import Query, Text, bad_parameter, documented, read_query
from api.reading.reader import Reader
from api.reading.responses import with_position
from projections.jobs.views import PROJECTION, EntityType, Every, JobFilters, JobViews, PageEnd
from runtime.compat.fastapi_routes import DirectRoute
from runtime.http.errors import HttpProblem
from schemas.jobs.facts import Status
from schemas.times import Timestamp, parse_time
from schemas.validation import InvalidFact

_STATUSES: Final = get_args(Status)
_METADATA: Final = "metadata."
Q = TypeVar("Q", bound="EntitiesQuery")
Limit = Annotated[int, Field(ge=1, le=10_000)]


class SiteQuery(Query):
    """Which job is meant, when an id exists at several sites."""

    site: Text | None = Field(None, description="Only this site; default: the own one, else the only match.")


class EntitiesQuery(Query):
    """Which jobs or subjobs; `metadata.<key>=<value>` may be added for any key."""

    from_: Timestamp | None = Field(
        None, alias="from", description="Heard of at this time or later (RFC 3339), by `inserted_at`."
    )
    to: Timestamp | None = Field(None, description="Last heard of before this time (RFC 3339).")
    status: Text | None = Field(None, description=f"Comma-separated: {', '.join(_STATUSES)}.")
    app_name: Text | None = Field(
        None, description="The application's name contains this, whatever its case."
    )
    site: Text | None = Field(None, description="Site.")
    app_id: Text | None = Field(None, description="Application.")
    stalled: bool | None = Field(None, description="Runs and is silent for too long; false: all others.")
    limit: Limit = Field(1000, description="Most items, 1 to 10000.")
    cursor: Text | None = Field(None, description="`next_cursor` of the page before.")

    def filters(self, metadata: dict[str, str], **more: Any) -> JobFilters:
        """What an item must meet. Raises HttpProblem."""
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
        """Where the page before ended. Raises HttpProblem."""
        if self.cursor is None:
            return None
        try:
            place = PageEnd(*cursor.decode(self.cursor, kind, str, str, str, str))
            parse_time(place.inserted_at)
        except (cursor.InvalidCursor, InvalidFact):
            raise bad_parameter("cursor", f"not a cursor of a list of {kind}s") from None
        return place


class JobsQuery(EntitiesQuery):
    """Which jobs."""

    job_key: Text | None = Field(None, description="Business key.")
    outliers: bool = Field(
        False, description="Only jobs that took over three times their application's median."
    )


class SubjobsQuery(EntitiesQuery):
    """Which subjobs."""

    job_id: Text | None = Field(None, description="Of this job.")
    sub_key: Text | None = Field(None, description="Sub key.")


class StatsQuery(Query):
    """Which statistics."""

    every: Every = Field("hour", description="Of every hour or day (UTC).")
    from_: Timestamp | None = Field(None, alias="from", description="From the hour or day of this time on.")
    to: Timestamp | None = Field(None, description="Hours and days that begin before this time.")
    site: Text | None = Field(None, description="Site.")
    app_id: Text | None = Field(None, description="Application.")
    app_name: Text | None = Field(
        None, description="The application's name contains this, whatever its case."
    )
    limit: Limit = Field(1000, description="Most items, 1 to 10000.")


def jobs_router(reader: Reader, views: JobViews, sites: SiteMonitor | None = None) -> APIRouter:
    """`/v1/jobs`, `/v1/jobs/{id}`, `/v1/subjobs` and `/v1/stats`.

    At a centre, which has `sites`, every list is of the one site it names, and shows the status of that.
    """
    router = APIRouter(prefix="/v1", tags=["jobs"], route_class=DirectRoute)

    async def listed(
        request: Request, kind: EntityType, query: EntitiesQuery, filters: JobFilters
    ) -> Response:
        started = time.perf_counter()
        after = query.after(kind)
        site = None if sites is None else sites.named(query.site)
        await reader.settle(PROJECTION, request.headers)
        with reading("entity"):
            page = await reader.read(
                lambda conn: views.page(conn, kind, filters, limit=query.limit, after=after)
            )
        following = None if page.after is None else cursor.encode(kind, *page.after)
        headers = with_position(page.position)
        if (table := formats.wanted(request.headers.get("accept", ""))) is not None:
            return formats.answer(table, page.items, following, headers)
        body: dict[str, Any] = {
            "items": page.items,
            "count": len(page.items),
            "duration_s": round(time.perf_counter() - started, 6),
            "next_cursor": following,
        }
        if site is not None:
            body["site"] = {"id": site.id, **site.as_json()}
        return Response(to_json(body), headers=headers, media_type="application/json")

    @router.get("/jobs", openapi_extra=documented(JobsQuery))
    async def jobs(request: Request) -> Response:
        """Jobs, newest first: JSON, or by `Accept` CSV (`text/csv`) or NDJSON (`application/x-ndjson`)."""
        query, metadata = _read(JobsQuery, request)
        filters = query.filters(metadata, key=query.job_key, outliers=query.outliers)
        return await listed(request, "job", query, filters)

    @router.get("/subjobs", openapi_extra=documented(SubjobsQuery))
    async def subjobs(request: Request) -> Response:
        """Subjobs, likewise."""
        query, metadata = _read(SubjobsQuery, request)
        filters = query.filters(metadata, key=query.sub_key, job_id=query.job_id)
        return await listed(request, "subjob", query, filters)

    @router.get("/stats", openapi_extra=documented(StatsQuery))
    async def stats(request: Request) -> Response:
        """Ended jobs by hour or day, site and application; percentiles from histograms, within 4.5 %."""
        query = read_query(StatsQuery, request)
        await reader.settle(PROJECTION, request.headers)
        filters = JobFilters(
            since=query.from_, until=query.to, site=query.site, app_id=query.app_id, app_name=query.app_name
        )
        with reading("tally"):
            items, position = await reader.read(
                lambda conn: views.stats(conn, query.every, filters, limit=query.limit)
            )
        body = to_json({"items": items, "count": len(items)})
        return Response(body, headers=with_position(position), media_type="application/json")

    @router.get("/jobs/{job_id:path}", openapi_extra=documented(SiteQuery))
    async def job(job_id: str, request: Request) -> Response:
        """One job with its subjobs and events."""
        query = read_query(SiteQuery, request)
        await reader.settle(PROJECTION, request.headers)
        if "\x00" in job_id:
            raise _unknown(job_id)
        places, position = await reader.read(lambda conn: views.sites(conn, job_id, query.site))
        if not places:
            raise _unknown(job_id)
        if len(places) > 1:
            details = f"{job_id} exists at the sites {', '.join(places)}: add ?site="
            raise HttpProblem(409, "Ambiguous job ID", details, headers=with_position(position))
        with reading("event"):
            found = await reader.read(lambda conn: views.job(conn, job_id, places[0]))
        if found is None:  # it expired in between
            raise _unknown(job_id)
        return Response(to_json(found), headers=with_position(position), media_type="application/json")

    return router


def job_views(reader: Reader) -> JobViews:
    """The views a process reads by."""
    settings = reader.settings
    return JobViews(own=settings.site, stall=timedelta(seconds=settings.job_stall_timeout))


def _read(model: type[Q], request: Request) -> tuple[Q, dict[str, str]]:
    """The query, and `metadata.<key>` apart. Raises HttpProblem."""
    query = read_query(model, request, apart=_METADATA)
    metadata: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name.startswith(_METADATA):
            key = name.removeprefix(_METADATA)
            if key in metadata or not key or "\x00" in name + value:
                raise bad_parameter(name, "a key and one value are needed, such as metadata.batch=7")
            metadata[key] = value
    return query, metadata


def _statuses(text: str | None) -> tuple[Status, ...]:
    if text is None:
        return ()
    named = [part.strip() for part in text.split(",") if part.strip()]
    if not named or not set(named) <= set(_STATUSES):
        raise bad_parameter("status", f"comma-separated, of {', '.join(_STATUSES)}")
    return tuple(status for status in _STATUSES if status in named)


def _unknown(job_id: str) -> HttpProblem:
    return HttpProblem(404, "Job not found", f"No job with ID {job_id[:200]}")
