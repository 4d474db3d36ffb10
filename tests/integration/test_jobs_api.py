"""The jobs surface of one site: what is sent, and what becomes of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from nats.aio.client import Client

import projections.page_rows
from tests.support.jobs import APP, job_event
from tests.support.jobs_api import JobsApi
from tests.support.line import Line


async def test_a_job_from_start_to_end(jobs: JobsApi) -> None:
    await jobs.send(
        job_event("J1", "started", business_key="batch-123", status="running", metadata={"host": "a"}),
        job_event("J1", "progress", minute=1, metrics={"percent": 40}),
        job_event("J1", "metric", minute=2, metrics={"rows": 7, "cpu_user_s": 1.5}),
        job_event(
            "J1",
            "finished",
            minute=5,
            status="succeeded",
            metrics={"duration_s": 300.5, "cpu_user_s": 120.3, "cpu_system_s": 10.2, "mem_max_mb": 2048.5},
            metadata={"note": "fine"},
        ),
    )
    (job,) = await jobs.jobs()
    inserted = datetime.fromisoformat(job.pop("inserted_at"))
    assert datetime.fromisoformat(job.pop("opened_at")) <= inserted
    assert timedelta() <= datetime.now(UTC) - inserted < timedelta(minutes=5)
    assert job == {
        "job_id": "J1",
        "app_id": APP["app_id"],
        "app_name": "app-name",
        "app_version": "1.0.0",
        "site_id": "fab1",
        "job_key": "batch-123",
        "status": "succeeded",
        "started_at": "2025-10-19T12:00:00.000000Z",
        "ended_at": "2025-10-19T12:05:00.000000Z",
        "duration_s": 300.5,
        "cpu_user_s": 120.3,
        "cpu_system_s": 10.2,
        "mem_max_mb": 2048.5,
        "metadata": {"host": "a", "note": "fine"},
        "metrics": {
            "percent": 40.0,
            "rows": 7.0,
            "duration_s": 300.5,
            "cpu_user_s": 120.3,
            "cpu_system_s": 10.2,
            "mem_max_mb": 2048.5,
        },
        "attempts": 1,
        "errors": 0,
        "last_event_at": "2025-10-19T12:05:00.000000Z",
        "stalled": False,
        "subjobs_by_status": {"running": 0, "succeeded": 0, "failed": 0, "canceled": 0},
    }


async def test_times_are_derived_and_a_late_event_changes_no_end(jobs: JobsApi) -> None:
    await jobs.send(
        job_event("J1", "finished", minute=3, status="failed"),
        job_event("J1", "started"),
        job_event("J1", "progress", minute=2, status="running"),
    )
    job = await jobs.job("J1")
    assert (job["status"], job["started_at"], job["ended_at"], job["duration_s"]) == (
        "failed",
        "2025-10-19T12:00:00.000000Z",
        "2025-10-19T12:03:00.000000Z",
        180.0,
    )
    await jobs.send(job_event("J1", "started", minute=10))
    job = await jobs.job("J1")
    assert (job["status"], job["attempts"], job["ended_at"], job["duration_s"]) == ("running", 2, None, None)
    assert [event["kind"] for event in job["events"]] == ["finished", "started", "progress", "started"]


async def test_a_producer_that_knows_its_times_better(jobs: JobsApi) -> None:
    """Times within an event are text as everywhere, in any zone or none."""
    times = {"started_at": "2025-10-19T11:58:00+00:00", "ended_at": "2025-10-19T14:03:00+02:00"}
    await jobs.send(job_event("J1", "finished", minute=5, **times))
    job = await jobs.job("J1")
    assert (job["started_at"], job["ended_at"], job["duration_s"], job["last_event_at"]) == (
        "2025-10-19T11:58:00.000000Z",
        "2025-10-19T12:03:00.000000Z",
        300.0,
        "2025-10-19T12:05:00.000000Z",
    )


async def test_subjobs_are_counted_on_the_job(jobs: JobsApi) -> None:
    await jobs.send(
        job_event("J1", "started"),
        *(job_event("J1", "started", sub=f"part {n}", sub_key=f"k{n}") for n in range(3)),
        job_event("J1", "finished", sub="part 0", minute=1),
        job_event("J1", "canceled", sub="part 1", minute=1),
    )
    job = await jobs.job("J1")
    assert job["subjobs_by_status"] == {"running": 1, "succeeded": 1, "failed": 0, "canceled": 1}
    assert [(sub["subjob_id"], sub["status"], sub["sub_key"]) for sub in job["subjobs"]] == [
        ("part 0", "succeeded", "k0"),
        ("part 1", "canceled", "k1"),
        ("part 2", "running", "k2"),
    ]
    assert [one["subjob_id"] for one in await jobs.subjobs(sub_key="k1")] == ["part 1"]
    assert len(await jobs.subjobs(job_id="J1", status="running,succeeded")) == 2
    assert {"app_name", "job_id", "inserted_at"} <= (await jobs.subjobs())[0].keys()


async def test_the_same_key_twice_is_one_event(jobs: JobsApi) -> None:
    event = job_event("J1", "error", key="Schlüssel 1")
    await jobs.send(event, event, job_event("J1", "error", key="Schlüssel 2"))
    await jobs.send(event)
    job = await jobs.job("J1")
    assert job["errors"] == len(job["events"]) == 2


@pytest.mark.parametrize(
    "at", ["2025-10-19T12:00:00Z", "2025-10-19T14:00:00+02:00", "2025-10-19T12:00:00", "2025-10-19 12:00:00"]
)
async def test_times_in_any_zone_or_none(jobs: JobsApi, at: str) -> None:
    event = job_event("J1")
    event["event"]["at"] = at
    await jobs.send(event, event | {"idempotency_key": "same instant"})
    job = await jobs.job("J1")
    assert job["started_at"] == "2025-10-19T12:00:00.000000Z"
    assert len(job["events"]) == 2


def deep(levels: int) -> Any:
    return [deep(levels - 1)] if levels else []


async def test_what_is_wrong_with_a_batch_is_told_item_by_item(jobs: JobsApi) -> None:
    future = (datetime.now(UTC) + timedelta(seconds=700)).isoformat()
    wrong: list[tuple[Any, str]] = [
        (7, "Input should be an object"),
        ({}, "app is required"),
        (job_event("J1", "exploded"), "event.kind"),
        (job_event("J1", status="done"), "event.status"),
        (job_event("J1") | {"entity": {"type": "subjob", "id": "s"}}, "parent_id: a subjob needs"),
        (job_event("J1", metrics={"duration_s": -1}), "event.metrics.duration_s"),
        (job_event("J1", metrics={"x": "1"}), "event.metrics.x"),
        (job_event("J1", at=future), "Event time skew too large"),
        (job_event("J1", at="yesterday"), "event.at: not an RFC 3339 time"),
        (job_event("J\n1"), "entity.id: control characters"),
        (job_event("J1", "finished", status="running"), "succeeded, failed or canceled"),
        (job_event("J1", key="a\nb"), "idempotency_key: control characters"),
        (job_event("J1", site="a.b"), "site_id"),
        (deep(70), "nested deeper"),
        (job_event("J1", metadata={"a": "\0"}), "NUL"),
    ]
    good = job_event("J1")
    answer = await jobs.http.post("/v1/ingest/events:batch", json=[good, *(one for one, _ in wrong), good])
    assert answer.status_code == 200
    told = answer.json()
    assert (told["ok"], told["total"], told["success"], told["failed"]) == (
        False,
        len(wrong) + 2,
        2,
        len(wrong),
    )
    for place, ((_, says), error) in enumerate(zip(wrong, told["errors"], strict=True), 1):
        assert error["index"] == place
        assert says in error["detail"]
    for one, says in wrong:
        single = await jobs.http.post("/v1/ingest/events", json=one)
        assert single.status_code == 422
        assert says in single.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/v1/ingest/events", b"{", 422, "Failed to parse JSON"),
        ("/v1/ingest/events:batch", b"{}", 422, "a JSON array"),
        ("/v1/ingest/events:batch", b"[" * 70_000 + b"]" * 70_000, 422, "nested deeper"),
        ("/v1/ingest/events:batch", b"[{}", 422, "truncated"),
        ("/v1/ingest/events:batch", b'["a\\ud800"]', 422, "Failed to parse JSON"),
        ("/v1/ingest/events:batch", b"[NaN]", 422, "Failed to parse JSON"),
        ("/v1/ingest/events", b"x" * ((1 << 20) + 1), 413, "1048576"),
        ("/v1/ingest/nothing", b"{}", 404, "nothing at"),
    ],
)
async def test_what_is_refused(jobs: JobsApi, path: str, body: bytes, status: int, says: str) -> None:
    answer = await jobs.http.post(path, content=body)
    assert answer.status_code == status
    assert says in answer.json()["detail"]


async def test_a_batch_keeps_what_is_good_of_it_byte_for_byte(jobs: JobsApi, nc: Client) -> None:
    good = b'{ "idempotency_key" : "as it came",' + json.dumps(job_event("J1")).encode()[1:]
    wrong = [b"[" * 70 + b"]" * 70, b'{"a\xff": 1}', b'{"a": "\\u0000"}', b"7"]
    answer = await jobs.http.post("/v1/ingest/events:batch", content=b"[%b]" % b",\n".join([good, *wrong]))
    assert (answer.status_code, answer.json()["success"]) == (200, 1)
    errors = {error["index"]: (error["error"], error["detail"]) for error in answer.json()["errors"]}
    assert [errors[place][0] for place in (1, 2, 3)] == ["too_deep", "invalid_json", "invalid_text"]
    assert "not UTF-8" in errors[2][1]
    assert 4 in errors
    assert [fact.body for fact in await Line(nc).stored("JOBS")] == [good]


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/subjobs", "/v1/jobs?metadata.kind=large"])
@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
async def test_a_page_ends_early_by_bytes(
    jobs: JobsApi, monkeypatch: pytest.MonkeyPatch, path: str, accept: str
) -> None:
    """One user's large documents shorten the pages that hold them, and nothing else."""
    sent = [job_event(f"J{n}", "started", metadata={"kind": "large", "text": "x" * 1000}) for n in range(9)]
    sent += [job_event("J0", "started", sub=f"s{n}", metadata={"text": "x" * 1000}) for n in range(9)]
    await jobs.send(*sent)
    monkeypatch.setattr(projections.page_rows, "PAGE_BYTES", 3000)
    found, sizes, following = [], [], ""
    while True:
        cursor = {"cursor": following} if following else {}
        query = dict(httpx.URL(path).params) | {"limit": "100"} | cursor
        answer = await jobs.http.get(httpx.URL(path).path, params=query, headers={"Accept": accept})
        assert answer.status_code == 200
        if accept == "application/json":
            items, following = answer.json()["items"], answer.json()["next_cursor"]
        else:
            items = [json.loads(line) for line in answer.text.splitlines()]
            following = answer.headers.get("foldline-next-cursor", "")
        found += [(item["job_id"], item.get("subjob_id")) for item in items]
        sizes.append(len(items))
        if not following:
            break
    expected = (
        [(f"J{n}", None) for n in range(9)] if "subjobs" not in path else [("J0", f"s{n}") for n in range(9)]
    )
    assert sorted(found, key=str) == expected
    assert max(sizes) <= 3


async def test_the_events_of_a_job_are_a_page(jobs: JobsApi, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = [job_event("a/b", "progress", minute=n, metadata={f"k{n}": "x" * 1000}) for n in range(10)]
    await jobs.send(*sent)
    whole = await jobs.job("a/b")
    assert whole["next_cursor"] is None
    monkeypatch.setattr(projections.page_rows, "PAGE_BYTES", 2500)
    events, query = [], {}
    while True:
        page = await jobs.job("a/b", **query)
        assert page["metadata"] == whole["metadata"]
        assert 1 <= len(page["events"]) <= 3
        events += page["events"]
        if page["next_cursor"] is None:
            break
        query = {"cursor": page["next_cursor"]}
    assert events == whole["events"]
    assert len(events) == len(sent)
    refused = await jobs.http.get("/v1/jobs/a/b", params={"cursor": "x"})
    assert refused.status_code == 422
    assert "the events of a job" in refused.json()["detail"]
