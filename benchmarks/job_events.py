"""Job events as applications report them: mixed kinds, jobs with subjobs, each event with its own key."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

APPS = 200
SUBJOBS = 3
EACH = 16
"""Events of one job and its subjobs."""
_AT_ONCE = 50  # jobs whose events take turns


def bodies(name: str, count: int) -> Iterator[bytes]:
    """Make `count` events; those of a job are in order, with events of other jobs between them."""
    made = 0
    for wave in range(0, count, _AT_ONCE * EACH):
        jobs = [list(_job(f"{name}-{wave // EACH + place}")) for place in range(_AT_ONCE)]
        for events in zip(*jobs, strict=True):
            for event in events:
                if made == count:
                    return
                made += 1
                yield json.dumps(event, separators=(",", ":")).encode()


def requests(name: str, count: int, size: int) -> list[bytes]:
    """Make `count` events, as the bodies of batches of `size` events."""
    events = list(bodies(name, count))
    return [b"[%b]" % b",".join(events[start : start + size]) for start in range(0, count, size)]


def _job(job: str) -> Iterator[dict[str, Any]]:
    number = int(job.rpartition("-")[2])
    app = {"app_id": f"app-{number % APPS}", "name": f"Application {number % APPS}", "version": "1.4.2"}
    entity = {"type": "job", "id": job, "business_key": f"batch-{number}"}
    subjobs = [
        {"type": "subjob", "id": f"{job}.{part}", "parent_id": job, "sub_key": f"part-{part}"}
        for part in range(SUBJOBS)
    ]
    used = {"duration_s": 12.5, "cpu_user_s": 9.25, "cpu_system_s": 0.5, "mem_max_mb": 412.0}
    described = {"host": f"h{number % 40}", "recipe": f"recipe {number % 300}", "lot": {"id": number}}
    failed = number % 10 == 0
    told: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (entity, {"kind": "started", "status": "running", "metadata": described}),
        *((one, {"kind": "started", "status": "running"}) for one in subjobs),
        (entity, {"kind": "progress", "metrics": {"percent": 25.0}}),
        (entity, {"kind": "metric", "metrics": {"rows_read": 120_000.0, "mem_max_mb": 388.0}}),
        *((one, {"kind": "progress", "metrics": {"percent": 50.0}}) for one in subjobs),
        (entity, {"kind": "progress", "metrics": {"percent": 50.0}}),
        *((one, {"kind": "finished", "status": "succeeded", "metrics": used}) for one in subjobs),
        (entity, {"kind": "progress", "metrics": {"percent": 75.0}}),
        (entity, {"kind": "metric", "metrics": {"rows_read": 480_000.0, "mem_max_mb": 412.0}}),
        (entity, {"kind": "finished", "status": "failed" if failed else "succeeded", "metrics": used}),
    ]
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    for place, (about, happened) in enumerate(told):
        yield {
            "idempotency_key": f"{job}-{place}",
            "site_id": "local",
            "app": app,
            "entity": about,
            "event": {"at": at, **happened},
        }
