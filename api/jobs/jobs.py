"""`/v1/jobs`, `/v1/subjobs` and `/v1/stats`, as the jobs reference documents them."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from api.jobs.job_queries import JobQuery, JobsQuery, ListQuery, StatsQuery, SubjobsQuery, read_list_query
from api.jobs.list_cursor import write_cursor
from api.jobs.measured_reads import measured_read
from api.jobs.responses import SiteJobPage, SiteSubjobPage
from api.jobs.site_monitor import SiteMonitor
from api.reading.cursor import NEXT_CURSOR_HEADER
from api.reading.formats import TABLES, list_response, requested_format
from api.reading.params import read_query
from api.reading.reader import Reader
from api.reading.responses import json_response, with_position
from projections.jobs.filters import JobFilters
from projections.jobs.views import PROJECTION, EntityType, JobViews
from runtime.compat.fastapi_routes import DirectRoute
from runtime.http.errors import HttpProblem
from runtime.http.openapi import Header, operation
from runtime.http.waits import POSITION_HEADER, READ_HEADERS
from schemas.errors import ErrorCode
from schemas.jobs.responses import Job, JobPage, JobStatsPage, Subjob, SubjobPage, WholeJob

_FIELDS: Final[Mapping[EntityType, tuple[str, ...]]] = {
    "job": tuple(Job.__annotations__),
    "subjob": tuple(Subjob.__annotations__),
}
"""The columns of tables."""


def jobs_router(reader: Reader, views: JobViews, sites: SiteMonitor | None = None) -> APIRouter:
    """The routes of jobs. At a centre, which has `sites`, each list is of one site and shows its status."""
    router = APIRouter(prefix="/v1", tags=["jobs"], route_class=DirectRoute)

    def described(operation_id: str, page: Any, query: type[ListQuery]) -> dict[str, Any]:
        return _read(
            operation_id,
            page,
            query=query,
            required=() if sites is None else ("site",),
            media=TABLES,
            more=(NEXT_CURSOR_HEADER,),
            errors=(400, 503) if sites is None else (400, 404, 503),
        )

    async def listed(request: Request, kind: EntityType, query: ListQuery, filters: JobFilters) -> Response:
        started = time.perf_counter()
        format_ = requested_format(request.headers.get("accept", ""))
        order = query.order(is_table=format_ is not None)
        after = query.after(kind, order)
        site = None if sites is None else sites.named(query.site)
        await reader.wait_for_positions(PROJECTION, request.headers)
        with measured_read("entity"):
            page = await reader.read(
                lambda conn: views.page(conn, kind, filters, order, limit=query.limit, after=after)
            )
        next_cursor = None if page.after is None else write_cursor(page.after, kind, order)
        if format_ is not None:
            return list_response(
                format_, _FIELDS[kind], page.items, next_cursor, with_position(page.position)
            )
        body: dict[str, Any] = {
            "items": page.items,
            "count": len(page.items),
            "duration_s": round(time.perf_counter() - started, 6),
            "next_cursor": next_cursor,
        }
        if site is not None:
            body["site"] = {"id": site.id, **site.as_json()}
        return json_response(to_json(body), page.position)

    @router.get("/jobs", **described("list_jobs", JobPage if sites is None else SiteJobPage, JobsQuery))
    async def jobs(request: Request) -> Response:
        """Jobs, newest event first: JSON, or by `Accept` `text/csv` or `application/x-ndjson`."""
        query, metadata = read_list_query(JobsQuery, request)
        filters = query.filters(metadata, key=query.job_key, outliers=query.outliers)
        return await listed(request, "job", query, filters)

    @router.get(
        "/subjobs", **described("list_subjobs", SubjobPage if sites is None else SiteSubjobPage, SubjobsQuery)
    )
    async def subjobs(request: Request) -> Response:
        """Subjobs, newest event first: JSON, or by `Accept` CSV or NDJSON."""
        query, metadata = read_list_query(SubjobsQuery, request)
        filters = query.filters(metadata, key=query.sub_key, job_id=query.job_id)
        return await listed(request, "subjob", query, filters)

    @router.get("/stats", **_read("read_job_stats", JobStatsPage, query=StatsQuery, errors=(400, 503)))
    async def stats(request: Request) -> Response:
        """Ended jobs by hour or day, site and application; percentiles from histograms, within 4.5 %."""
        query = read_query(StatsQuery, request)
        await reader.wait_for_positions(PROJECTION, request.headers)
        with measured_read("tally"):
            items, position = await reader.read(
                lambda conn: views.stats(conn, query.every, query.filters(), limit=query.limit)
            )
        return json_response(to_json({"items": items, "count": len(items)}), position)

    @router.get(
        "/jobs/{job_id:path}", **_read("read_job", WholeJob, query=JobQuery, errors=(400, 404, 409, 503))
    )
    async def job(job_id: str, request: Request) -> Response:
        """One job with its subjobs and a page of its events."""
        query = read_query(JobQuery, request)
        after = query.after()
        await reader.wait_for_positions(PROJECTION, request.headers)
        if "\x00" in job_id:
            raise _job_not_found(job_id)
        places, position = await reader.read(lambda conn: views.sites(conn, job_id, query.site))
        if not places:
            raise _job_not_found(job_id)
        if len(places) > 1:
            details = f"{job_id} exists at the sites {', '.join(places)}: name one with ?site="
            raise HttpProblem(ErrorCode.AMBIGUOUS_JOB_ID, details, headers=with_position(position))
        with measured_read("event"):
            found = await reader.read(lambda conn: views.job(conn, job_id, places[0], after=after))
        if found is None:  # it expired in between
            raise _job_not_found(job_id)
        body = found.job | {"next_cursor": query.next_cursor(found.after)}
        return json_response(to_json(body), position)

    return router


def _read(operation_id: str, answer: Any, *, more: Sequence[Header] = (), **how: Any) -> dict[str, Any]:
    headers = (POSITION_HEADER, *more)
    return operation(operation_id, answer, request_headers=READ_HEADERS, response_headers=headers, **how)


def job_views(reader: Reader) -> JobViews:
    """The views of jobs, with the settings of this process."""
    settings = reader.settings
    return JobViews(own=settings.site, stall=timedelta(seconds=settings.job_stall_timeout))


def _job_not_found(job_id: str) -> HttpProblem:
    return HttpProblem(ErrorCode.JOB_NOT_FOUND, f"No job with ID {job_id[:200]}")
