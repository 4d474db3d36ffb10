"""Rows of the jobs read model as the JSON the API shows; columns are in the order of `read.sql`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic_core import from_json

from projections.recorded import Recorded
from schemas.jobs.facts import JobFact
from schemas.times import json_time

_STANDARD: Final = ("cpu_user_s", "cpu_system_s", "mem_max_mb")


def served_job(row: Sequence[Any]) -> dict[str, Any]:
    """Return the JSON of a row of `columns` that is a job."""
    site, id_, _, app_id, app_name, app_version, key = row[:7]
    app = {"app_id": app_id, "app_name": app_name, "app_version": app_version}
    subjobs = dict(zip(("running", "succeeded", "failed", "canceled"), row[19:23], strict=True))
    return {"job_id": id_, **app, "site_id": site, "job_key": key, **_life(row), "subjobs_by_status": subjobs}


def served_subjob(row: Sequence[Any]) -> dict[str, Any]:
    """Return the JSON of a row of `columns` that is a subjob."""
    site, id_, sub, app_id, app_name, app_version, key = row[:7]
    app = {"app_id": app_id, "app_name": app_name, "app_version": app_version}
    return {"subjob_id": sub, "job_id": id_, **app, "site_id": site, "sub_key": key, **_life(row)}


def _life(row: Sequence[Any]) -> dict[str, Any]:
    """Return what jobs and subjobs share: what the reference documents, and after it what we add."""
    (
        status,
        attempts,
        started_at,
        ended_at,
        duration,
        told,
        metadata,
        errors,
        opened_at,
        inserted_at,
        heard_at,
        stalled,
    ) = row[7:19]
    metrics: Mapping[str, Any] = from_json(told)
    return {
        "status": status,
        "started_at": _time(started_at),
        "ended_at": _time(ended_at),
        "duration_s": metrics.get("duration_s", duration),  # the column is a double
        **{name: metrics.get(name) for name in _STANDARD},
        "metadata": from_json(metadata),
        "inserted_at": json_time(inserted_at),
        "metrics": metrics,
        "attempts": attempts,
        "errors": errors,
        "last_event_at": json_time(heard_at),
        "stalled": stalled,
        "opened_at": json_time(opened_at),
    }


def served_attempts(earlier: Sequence[Sequence[Any]], row: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the attempts of the job or subjob of a row of `columns`, the newest last.

    `earlier` are rows of `attempts`.
    """
    status, attempts, started_at, ended_at, duration, metrics, metadata = row[7:14]
    outcome = "lost" if status == "failed" and from_json(metadata).get("error_type") == "lost" else status
    newest = (started_at, ended_at, outcome, duration, metadata, metrics)
    return [
        _served_attempt(number, attempt)
        for number, attempt in enumerate([*earlier, newest], attempts - len(earlier))
    ]


def _served_attempt(number: int, row: Sequence[Any]) -> dict[str, Any]:
    started_at, ended_at, outcome, duration, told, metrics = row
    error, told_metrics = from_json(told), from_json(metrics)
    return {
        "number": number,
        "outcome": outcome,
        "started_at": _time(started_at),
        "ended_at": _time(ended_at),
        "duration_s": told_metrics.get("duration_s", duration),
        "error": error.get("error"),
        "error_type": error.get("error_type"),
        "metrics": told_metrics,
    }


def served_event(
    seq: int, sub: str, at: datetime, kind: str, status: str | None, *told: str
) -> dict[str, Any]:
    """Return the JSON of a row of `events`."""
    metrics, metadata = map(from_json, told)
    return {
        "sequence": seq,
        "at": json_time(at),
        "entity_type": "subjob" if sub else "job",
        "subjob_id": sub or None,
        "kind": kind,
        "status": status,
        "metrics": metrics,
        "metadata": metadata,
    }


def served_live_event(event: Recorded, body: JobFact) -> dict[str, Any]:
    """Return the JSON of an event as the live stream shows it."""
    site, job_id = event.key
    payload: dict[str, Any] = {"status": body.status, "metrics": body.metrics, "metadata": body.metadata}
    return {
        "at": json_time(event.at),
        "entity_type": body.type,
        "entity_id": body.id,
        "job_id": job_id,
        "site_id": site,
        "app_id": body.app_id,
        "app_name": body.app_name,
        "kind": body.kind,
        "status": body.outcome or body.status,
        "payload": payload,
    }


def served_stats(row: Sequence[Any]) -> dict[str, Any]:
    """Return the JSON of a row of `stats`."""
    start, site, app_id, app_name, succeeded, failed, canceled, attempts, failed_attempts, lost = row[:10]
    mean, p50, p95, longest, cpu, memory, memory_max = (
        None if value is None else round(float(value), 6) for value in row[10:]
    )
    count = int(succeeded + failed + canceled)
    return {
        "start": json_time(start),
        "site_id": site,
        "app_id": app_id,
        "app_name": app_name,
        "count": count,
        "succeeded": int(succeeded),
        "failed": int(failed),
        "canceled": int(canceled),
        "success_rate": round(int(succeeded) / count, 6),
        "attempts": int(attempts),
        "failed_attempts": int(failed_attempts),
        "lost_attempts": int(lost),
        "duration_s": {
            "mean": mean,
            # The middle of a bucket may lie beyond the longest duration.
            "p50": _at_most(p50, longest),
            "p95": _at_most(p95, longest),
            "max": longest if mean is not None else None,
        },
        "cpu_s": cpu,
        "mem_mb": {"mean": memory, "max": memory_max if memory is not None else None},
    }


def _time(value: datetime | None) -> datetime | str | None:
    return value if value is None else json_time(value)


def _at_most(value: float | None, longest: float | None) -> float | None:
    return value if value is None or longest is None else min(value, longest)
