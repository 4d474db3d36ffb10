"""Jobs and subjobs as the API shows them: lists by filter, one job with all of it, statistics."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final, Literal

from projections.jobs.filters import JobFilters
from projections.jobs.list_order import BEGIN, ListOrder, PageEnd, Place, parameters
from projections.jobs.outliers import MedianCache
from projections.jobs.render import served_attempts, served_event, served_job, served_stats, served_subjob
from projections.page_rows import page_rows
from projections.statements import Statements, only_row
from runtime.database.connections import Connection

PROJECTION: Final = "jobs"
MOST_EVENTS: Final = 10_000
"""The most events, and the most subjobs, that a job is shown with."""

Every = Literal["hour", "day"]
EntityType = Literal["job", "subjob"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """A page of a list. The next page begins behind `after`; it is None on the last."""

    items: list[dict[str, Any]]
    position: str | None
    after: PageEnd | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDocument:
    """A job with a page of its events. The next page begins behind the event `after`, None on the last."""

    job: dict[str, Any]
    after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCounts:
    """Counts of all jobs: by (application, status), and of durations up to bounds, the last infinite."""

    by_status: dict[tuple[str, str], int]
    durations: list[tuple[float, int]]
    seconds: float  # of all together


class JobViews:
    """Reads of jobs.

    An id without a site is looked for at `own` first; a running job is stalled after a silence of `stall`.
    """

    def __init__(self, *, own: str, stall: timedelta, schema: str = PROJECTION) -> None:
        self._own = own
        self._stall = stall
        statements = Statements("projections.jobs", schema, "list.sql", "outliers.sql")

        @cache
        def page(
            source: str, others: str, conditions: tuple[str, ...], parts: tuple[tuple[str, str], ...]
        ) -> bytes:
            return statements.compose(
                "page",
                source=f"{{{source}}}",
                others=f"{{{others}}}",
                begin=_all_of([condition for condition in conditions if condition in BEGIN]),
                where=_all_of(conditions),
                **dict(parts),
            )

        self._page = page
        self._medians = MedianCache(statements)
        self._sites = statements.compose("sites")
        self._family = statements.compose("family")
        self._events = statements.compose("events")
        self._attempts = statements.compose("attempts")
        self._stats = statements.compose("stats")
        self._by_status = statements.compose("jobs-by-status")
        self._durations = statements.compose("durations")

    async def page(
        self,
        conn: Connection,
        kind: EntityType,
        filters: JobFilters,
        order: ListOrder,
        *,
        limit: int,
        after: PageEnd | None = None,
    ) -> JobPage:
        """Return one page of the jobs or subjobs that match."""
        order = order.of_page(after)
        values = self._values() | filters.parameters() | parameters(after) | {"limit": limit}
        if filters.outliers:
            values["medians"] = await self._medians.as_json(conn)
        source, others = filters.sorted_sources() if order.is_nullable else filters.sources()
        conditions = (*filters.conditions(whole=order.is_nullable), *order.conditions(after))
        parts = tuple(order.parts(after).items())
        statement = self._page(source, others, (f"of-{kind}s", *conditions), parts)
        rows, more = await page_rows(conn, statement, values, limit=limit, shared=1)
        position = rows[0][0] if rows else None
        found = [row[1:] for row in rows if row[1] is not None]
        served = served_job if kind == "job" else served_subjob
        end = None
        if more:
            end = order.end(Place(*found[-1][-2:]), after, position, filters.site)
        return JobPage(items=[served(row) for row in found], position=position, after=end)

    async def sites(self, conn: Connection, job_id: str, site: str | None) -> tuple[list[str], str | None]:
        """Return the sites that have the job, and the position this reflects."""
        values = self._values() | {"id": job_id, "site": site, "own": self._own}
        position, sites = await only_row(conn, self._sites, values)
        return sites, position

    async def job(
        self, conn: Connection, job_id: str, site: str, *, after: int | None = None
    ) -> JobDocument | None:
        """Return a job with its subjobs and a page of its events, None if the site has no such job.

        There are as many subjobs as the page of a list has; `after` is the last event of the page before.
        """
        values = self._values() | {"id": job_id, "site": site, "limit": MOST_EVENTS, "after": after}
        rows, _ = await page_rows(conn, self._family, values, limit=MOST_EVENTS)
        if not rows:
            return None
        events, more = await page_rows(conn, self._events, values, limit=MOST_EVENTS)
        attempts = await self._attempt_lists(conn, values, rows)
        job = served_job(rows[0]) | {
            "attempt_list": attempts[0],
            "subjobs": [
                served_subjob(row) | {"attempt_list": listed}
                for row, listed in zip(rows[1:], attempts[1:], strict=True)
            ],
            "events": [served_event(*row) for row in events],
        }
        return JobDocument(job=job, after=events[-1][0] if more else None)

    async def _attempt_lists(
        self, conn: Connection, values: dict[str, Any], rows: Sequence[Sequence[Any]]
    ) -> list[list[dict[str, Any]]]:
        """Return the attempts of a job and its subjobs: of too many the newest."""
        earlier: dict[str, list[Sequence[Any]]] = {}
        newest, _ = await page_rows(conn, self._attempts, values, limit=MOST_EVENTS)
        for sub, *attempt in reversed(newest):
            earlier.setdefault(sub, []).append(attempt)
        return [served_attempts(earlier.get(row[2], ()), row) for row in rows]

    async def stats(
        self, conn: Connection, every: Every, filters: JobFilters, *, limit: int
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Return statistics by hour or day, site and application, newest first, and their position."""
        values = self._values() | filters.parameters() | {"every": every, "limit": limit}
        rows = await (await conn.execute(self._stats, values)).fetchall()
        return [served_stats(row[1:]) for row in rows if row[1] is not None], rows[0][0]

    async def numbers(self, conn: Connection, bounds: Sequence[float]) -> JobCounts:
        """Return the counts for dashboards. `bounds` are upper bounds of durations in seconds, ascending."""
        values = self._values() | {"bounds": list(bounds)}
        counted = await (await conn.execute(self._by_status, values)).fetchall()
        below, total, seconds = await only_row(conn, self._durations, values)
        return JobCounts(
            by_status={(app_name, status): number for app_name, status, number in counted},
            durations=[*zip(bounds, below, strict=True), (float("inf"), total)],
            seconds=seconds,
        )

    def _values(self) -> dict[str, Any]:
        return {"projection": PROJECTION, "parts": None, "stall": self._stall}


def _all_of(conditions: Sequence[str]) -> str:
    return "\n      and ".join(f"{{{condition}}}" for condition in conditions)
