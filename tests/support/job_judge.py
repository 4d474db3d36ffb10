"""Comparing jobs, subjobs and statistics with what the reference makes of their events."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from projections.jobs.filters import JobFilters
from projections.jobs.views import JobViews
from runtime.database.connections import Connection
from tests.reference.jobs import Happened, counted, job, subjobs_by_status
from tests.support.job_histories import NOON, History, told_of

SHOWN: Final = tuple(job([Happened(1, NOON, "started")]))
"""The fields of a job that the reference has."""


def as_json(value: Any) -> Any:
    """Return what a client reads; times as the reference has them are written as all answers write them."""
    if isinstance(value, dict):
        return {name: as_json(one) for name, one in value.items()}
    if isinstance(value, list):
        return [as_json(one) for one in value]
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else value


async def judge_histories(conn: Connection, told: Mapping[str, History], *, site: str = "fab1") -> None:
    """Compare each job and subjob, and the statistics, with what the reference makes of their events."""
    views = JobViews(own=site, stall=timedelta(minutes=5))
    for name, history in told.items():
        document = await views.job(conn, name, site)
        assert document is not None
        shown = document.job
        subs = {sub: told_of(history, sub) for sub, _ in history if sub}
        assert shown["subjobs_by_status"] == subjobs_by_status(subs)
        if own := told_of(history):
            assert as_json({key: shown[key] for key in SHOWN}) == as_json(job(own)), name
        assert {one["subjob_id"]: as_json({key: one[key] for key in SHOWN}) for one in shown["subjobs"]} == {
            sub: as_json(job(events)) for sub, events in subs.items()
        }
    ended = [one for history in told.values() if (own := told_of(history)) and (one := counted(own))]
    figures, _ = await views.stats(conn, "hour", JobFilters(), limit=1_000)
    assert {as_json(figure["start"]): _summed(figure) for figure in figures} == {
        as_json(hour): _expected([one for one in ended if one["hour"] == hour])
        for hour in {one["hour"] for one in ended}
    }


def _summed(figure: dict[str, Any]) -> dict[str, Any]:
    names = ("count", "succeeded", "failed", "canceled", "attempts", "failed_attempts", "lost_attempts")
    return {name: figure[name] for name in names} | {"longest": figure["duration_s"]["max"]}


def _expected(ended: list[dict[str, Any]]) -> dict[str, Any]:
    statuses = [one["status"] for one in ended]
    durations = [one["duration_s"] for one in ended if one["duration_s"] is not None]
    return {
        "count": len(ended),
        **{status: statuses.count(status) for status in ("succeeded", "failed", "canceled")},
        **{
            name: sum(one[name] for one in ended) for name in ("attempts", "failed_attempts", "lost_attempts")
        },
        "longest": round(max(durations), 6) if durations else None,
    }
