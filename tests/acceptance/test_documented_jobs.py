"""Every example of the jobs reference that one site serves, as the document writes it."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.acceptance.stack import Stack
from tests.support.http import sync_http_client

EVENT: dict[str, Any] = {
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
DOCUMENTED = {
    "job_id",
    "app_id",
    "app_name",
    "app_version",
    "site_id",
    "job_key",
    "status",
    "started_at",
    "ended_at",
    "duration_s",
    "cpu_user_s",
    "cpu_system_s",
    "mem_max_mb",
    "metadata",
    "inserted_at",
}


@pytest.fixture(scope="module")
def sidecar(stack: Stack) -> Iterator[httpx.Client]:
    with sync_http_client(stack.sidecar, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def local(stack: Stack) -> Iterator[httpx.Client]:
    with sync_http_client(stack.jobs, timeout=60, headers={"Foldline-Wait": "20000"}) as client:
        yield client


def event(unique: str, number: int, **happened: Any) -> dict[str, Any]:
    made = copy.deepcopy(EVENT)
    made["idempotency_key"] = f"{unique}-{number}"
    made["entity"]["id"] = unique
    made["event"] |= happened
    return made


def test_sidecar_ingests_the_documented_event(sidecar: httpx.Client) -> None:
    for _ in range(2):
        answer = sidecar.post("/v1/ingest/events", json=EVENT)
        assert (answer.status_code, answer.json()) == (200, {"ok": True})


def test_sidecar_batch_and_health(sidecar: httpx.Client, local: httpx.Client, unique: str) -> None:
    batch = [event(unique, number, kind="progress") for number in range(100)]
    answer = sidecar.post("/v1/ingest/events:batch", json=batch)
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "forwarded": 100, "spooled": 0})
    health = sidecar.get("/v1/healthz").json()
    documented = {"status": "ok", "service": "sidecar-agent", "spool_count": 0}
    assert documented.items() <= health.items()
    assert {"version", "spool_dir"} <= health.keys()
    assert "events_in_spool 0.0" in sidecar.get("/metrics").text
    assert wait_for_events(local, unique, 100)


def wait_for_events(local: httpx.Client, job: str, count: int) -> bool:
    """What came through the sidecar is readable soon: a write of our own behind it waits for it."""
    behind = event(job, -1, kind="progress")
    assert local.post("/v1/ingest/events", json=behind).status_code == 200
    return len(local.get(f"/v1/jobs/{job}").json()["events"]) == count + 1


def test_local_api_from_start_to_end(local: httpx.Client, unique: str) -> None:
    assert local.post("/v1/ingest/events", json=event(unique, 1)).json()["ok"] is True
    metrics = {"duration_s": 300.5, "cpu_user_s": 120.3, "cpu_system_s": 10.2, "mem_max_mb": 2048.5}
    done = event(unique, 2, kind="finished", at="2025-10-19T12:05:00Z", status="succeeded", metrics=metrics)
    part = event(unique, 3, kind="started")
    part["entity"] |= {"type": "subjob", "id": f"{unique}-part", "parent_id": unique, "sub_key": "part-1"}
    assert local.post(
        "/v1/ingest/events:batch", json=[done, part], headers={"Foldline-Wait": "20000"}
    ).json()["ok"]
    query = {
        "from": "2025-10-19T12:00:00Z",
        "to": "2100-01-01T00:00:00Z",
        "status": "succeeded,failed",
        "app_name": "APP",
        "limit": 1000,
    }
    answer = local.get("/v1/jobs", params=query).json()
    assert answer["count"] == len(answer["items"])
    assert answer["duration_s"] < 60
    (job,) = [item for item in answer["items"] if item["job_id"] == unique]
    assert job.keys() >= DOCUMENTED
    documented = {
        "job_id": unique,
        "app_id": "uuid",
        "app_name": "app-name",
        "app_version": "1.0.0",
        "site_id": "fab1",
        "job_key": "batch-123",
        "status": "succeeded",
        "started_at": "2025-10-19T12:00:00.000000Z",
        "ended_at": "2025-10-19T12:05:00.000000Z",
        "metadata": {},
        **metrics,
    }
    assert job | documented == job
    (subjob,) = local.get("/v1/subjobs", params={"job_id": unique}).json()["items"]
    assert (subjob["subjob_id"], subjob["sub_key"]) == (f"{unique}-part", "part-1")
    assert DOCUMENTED - {"job_key"} <= subjob.keys()


def test_live_stream(local: httpx.Client, unique: str) -> None:
    with local.stream("GET", "/v1/stream", params={"job_id": unique}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines).startswith(":")
        local.post("/v1/ingest/events", json=event(unique, 1))
        data = next(line for line in lines if line.startswith("data: "))
    told = json.loads(data.removeprefix("data: "))
    assert (told["at"], told["entity_type"]) == ("2025-10-19T12:00:00.000000Z", "job")


def test_health_and_numbers(local: httpx.Client) -> None:
    health = local.get("/v1/healthz").json()
    assert (health["status"], health["service"], health["database_pool"]) == ("ok", "local-api", "connected")
    assert local.get("/metrics").status_code == 200
    assert local.get("/v1/nothing").json() == {"detail": "There is nothing at /v1/nothing"}
