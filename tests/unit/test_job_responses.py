"""Models of the jobs surfaces' bodies, beside what the reference shows."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from api.jobs.responses import CentralHealth, SiteHealth, SiteJobPage, SiteList, SiteSubjobPage
from producers.http.ingest_responses import AcceptedEvent, SpooledBatch
from producers.sidecar.health import SidecarHealth
from schemas.errors import JobError
from schemas.jobs.facts import JobEvent
from schemas.jobs.responses import Job, JobPage, LiveJobEvent, Subjob, SubjobPage, WholeJob
from tests.support.strict_schema import problems

# Bodies of jobs-api.md.
EVENT = {
    "idempotency_key": "uuid",
    "site_id": "fab1",
    "app": {"app_id": "uuid", "name": "app-name", "version": "1.0.0"},
    "entity": {"type": "job", "id": "uuid", "parent_id": None, "business_key": "batch-123", "sub_key": None},
    "event": {
        "kind": "started",
        "at": "2025-10-19T12:00:00Z",
        "status": "running",
        "metrics": {},
        "metadata": {},
    },
}
APP = {"app_id": "uuid", "app_name": "processor", "app_version": "1.0.0", "site_id": "fab1"}
LIFE = {
    "status": "succeeded",
    "started_at": "2025-10-19T12:00:00Z",
    "ended_at": "2025-10-19T12:05:00Z",
    "duration_s": 300.5,
    "cpu_user_s": 120.3,
    "cpu_system_s": 10.2,
    "mem_max_mb": 2048.5,
    "metadata": {},
    "inserted_at": "2025-10-19T12:05:01Z",
}
JOB = APP | LIFE | {"job_id": "uuid", "job_key": "batch-123"}
SUBJOB = APP | LIFE | {"subjob_id": "uuid", "job_id": "uuid", "sub_key": "part-1"}
SITES = [
    {"id": "fab1", "endpoint": "http://site1:18000"},
    {"id": "fab2", "endpoint": "http://site2:18000"},
]


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (AcceptedEvent, {"ok": True}),
        (SpooledBatch, {"ok": True, "forwarded": 95, "spooled": 5}),
        (
            SidecarHealth,
            {
                "status": "ok",
                "service": "sidecar-agent",
                "version": "2.0.0",
                "spool_count": 0,
                "spool_dir": "/tmp/sidecar-spool",  # noqa: S108 - a text of the reference
            },
        ),
        (JobPage, {"items": [JOB], "count": 1, "duration_s": 0.023}),
        (SubjobPage, {"items": [SUBJOB], "count": 1, "duration_s": 0.023}),
        (SiteJobPage, {"items": [JOB], "count": 1, "duration_s": 0.023}),
        (SiteSubjobPage, {"items": [SUBJOB], "count": 1, "duration_s": 0.023}),
        (WholeJob, JOB | {"subjobs": [SUBJOB], "events": []}),
        (LiveJobEvent, {"at": "2025-10-19T12:00:00Z", "entity_type": "subjob"}),
        (SiteHealth, {"status": "ok", "database_pool": "connected"}),
        (SiteList, {"sites": SITES, "count": 2}),
        (
            CentralHealth,
            {
                "status": "ok",
                "service": "central-api",
                "version": "2.0.0",
                "sites": {
                    "fab1": {"status": "ok", "endpoint": "http://site1:18000"},
                    "fab2": {
                        "status": "degraded",
                        "endpoint": "http://site2:18000",
                        "error": "Connection timeout",
                    },
                },
            },
        ),
        (JobError, {"detail": "There is nothing at /v1/nothing"}),
    ],
)
def test_documented_answers_are_in_the_models(model: Any, body: dict[str, Any]) -> None:
    assert problems(model, body, whole=False) == []
    assert problems(model, body | {"undocumented": 1}, whole=False) != []


def test_documented_requests_are_valid() -> None:
    for body in (EVENT, {name: EVENT[name] for name in ("app", "entity", "event")}):
        TypeAdapter(JobEvent).validate_python(body)


def test_subjobs_have_the_life_of_jobs() -> None:
    own = {"job_key", "subjobs_by_status"}, {"subjob_id", "sub_key"}
    assert Job.__annotations__.keys() - own[0] == Subjob.__annotations__.keys() - own[1]
