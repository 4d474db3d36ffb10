"""Jobs and subjobs as the API shows them: lists by filter, one job with all of it, statistics."""

from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import product
from typing import Any, Final, Literal, NamedTuple

from pydantic_core import from_json, to_json

from projections.jobs.outliers import MedianCache
from projections.jobs.render import served_event, served_job, served_stats, served_subjob
from projections.statements import Statements, only_row
from runtime.database.connections import Connection
from schemas.jobs.facts import Status

PROJECTION: Final = "jobs"
MOST_EVENTS: Final = 10_000
"""The most events, and the most subjobs, that a job is shown with."""
_BEGIN: Final = ("of-jobs", "of-subjobs", "by-after")
"""Conditions that say where in the order of the list a page begins."""
_INDEXED: Final = 4
"""Most keys of the metadata that are looked up together: each may mean two values, in all combinations."""

Every = Literal["hour", "day"]
EntityType = Literal["job", "subjob"]


class PageEnd(NamedTuple):
    """The order key of the last item of a page."""

    inserted_at: str
    site: str
    id: str
    sub: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilters:
    """Filters of a list of jobs or subjobs; all that are given must hold. `until` is excluded."""

    since: datetime | None = None
    until: datetime | None = None
    status: tuple[Status, ...] = ()
    site: str | None = None
    app_id: str | None = None
    app_name: str | None = None  # contained, in upper or lower case
    key: str | None = None
    job_id: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    stalled: bool | None = None
    outliers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """A page of a list, newest first. The next page begins behind `after`; it is None on the last."""

    items: list[dict[str, Any]]
    position: str | None
    after: PageEnd | None


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
        statements = Statements("projections.jobs", schema, "outliers.sql")

        @cache
        def page(source: str, others: str, conditions: tuple[str, ...]) -> bytes:
            begin = [condition for condition in conditions if condition in _BEGIN]
            return statements.compose(
                "page",
                source=f"{{{source}}}",
                others=f"{{{others}}}",
                begin=_all_of(begin),
                where=_all_of(conditions),
            )

        self._page = page
        self._medians = MedianCache(statements)
        self._sites = statements.compose("sites")
        self._family = statements.compose("family")
        self._events = statements.compose("events")
        self._stats = statements.compose("stats")
        self._by_status = statements.compose("jobs-by-status")
        self._durations = statements.compose("durations")

    async def page(
        self,
        conn: Connection,
        kind: EntityType,
        filters: JobFilters,
        *,
        limit: int,
        after: PageEnd | None = None,
    ) -> JobPage:
        """Return one page of the jobs or subjobs that match."""
        values = self._values() | _values(filters, after) | {"limit": limit}
        if filters.outliers:
            values["medians"] = await self._medians.as_json(conn)
        statement = self._page(*_sources(filters), (f"of-{kind}s", *_conditions(filters, after)))
        cursor = await conn.execute(statement, values)
        rows = await cursor.fetchall()
        position = rows[0][0] if rows else None
        found = [row[1:] for row in rows if row[1] is not None]
        last = found[limit - 1] if len(found) > limit else None
        served = served_job if kind == "job" else served_subjob
        return JobPage(
            items=[served(row) for row in found[:limit]],
            position=position,
            after=PageEnd(last[15].isoformat(), *last[:3]) if last is not None else None,
        )

    async def sites(self, conn: Connection, job_id: str, site: str | None) -> tuple[list[str], str | None]:
        """Return the sites that have the job, and the position this reflects."""
        values = self._values() | {"id": job_id, "site": site, "own": self._own}
        position, sites = await only_row(conn, self._sites, values)
        return sites, position

    async def job(self, conn: Connection, job_id: str, site: str) -> dict[str, Any] | None:
        """Return a job with its subjobs and events, None if the site has no such job."""
        values = self._values() | {"id": job_id, "site": site, "limit": MOST_EVENTS}
        rows = await (await conn.execute(self._family, values)).fetchall()
        if not rows:
            return None
        events = await (await conn.execute(self._events, values)).fetchall()
        return served_job(rows[0]) | {
            "subjobs": [served_subjob(row) for row in rows[1:]],
            "events": [served_event(*row) for row in events],
        }

    async def stats(
        self, conn: Connection, every: Every, filters: JobFilters, *, limit: int
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Return statistics by hour or day, site and application, newest first, and their position."""
        values = self._values() | _values(filters, None) | {"every": every, "limit": limit}
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


def _sources(filters: JobFilters) -> tuple[str, str]:
    """Return the fragments that say where to look first, and where if too many jobs are described."""
    usual = "of-applications" if filters.app_name else "of-all"
    if filters.outliers:
        return "of-outliers", usual
    return ("of-described" if filters.metadata else usual), usual


def _conditions(filters: JobFilters, after: PageEnd | None) -> list[str]:
    named = ["since", "until", "status", "site", "app_id", "key", "job_id"]
    given = [name for name in named if getattr(filters, name) not in (None, ())]  # an empty text is given
    conditions = [f"by-{name.replace('_', '-')}" for name in given]
    if filters.app_name and (filters.outliers or filters.metadata):
        conditions.append("by-app-name")
    if filters.stalled is not None:
        conditions.append("by-stalled")
    if filters.metadata:
        conditions.append("by-text" if _is_plain(filters.metadata) else "by-description")
    if filters.metadata[_INDEXED:]:
        conditions.append("by-more-metadata")
    return [*conditions, "by-after"] if after is not None else conditions


def _values(filters: JobFilters, after: PageEnd | None) -> dict[str, Any]:
    at, site, id_, sub = after or (None,) * 4
    wanted = [{"plain": {name: text}, "value": _as_json(name, text)} for name, text in filters.metadata]
    ways = product(*([way for way in one.values() if way is not None] for one in wanted[:_INDEXED]))
    return {
        "since": filters.since,
        "until": filters.until,
        "status": list(filters.status),
        "site": filters.site,
        "app_id": filters.app_id,
        "app_name": filters.app_name and f"%{_literal(filters.app_name)}%",
        "key": filters.key,
        "job_id": filters.job_id,
        "metadata": [to_json(dict(ChainMap(*way))).decode() for way in ways],
        "more_metadata": to_json(wanted[_INDEXED:]).decode(),
        "metadata_name": filters.metadata[0][0] if filters.metadata else None,
        "metadata_text": filters.metadata[0][1] if filters.metadata else None,
        "stalled": filters.stalled,
        "after_at": at,
        "after_site": site,
        "after_id": id_,
        "after_sub": sub,
    }


def _is_plain(metadata: Sequence[tuple[str, str]]) -> bool:
    """Whether one key is asked for, by a text that is no JSON value of another type."""
    return len(metadata) == 1 and _as_json(*metadata[0]) is None


def _as_json(name: str, text: str) -> dict[str, Any] | None:
    """Return the metadata that the text means as JSON; None if it is none. In a URL `3` may be the number."""
    try:
        return {name: from_json(text, allow_inf_nan=False)}
    except ValueError:
        return None


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
