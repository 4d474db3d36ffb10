"""The jobs surface of one site: what is sent, and what is read of it."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from nats.aio.client import Client

from consumers.control.entity import rebuild_entity
from consumers.control.rebuild import rebuild
from consumers.control.verify import verify
from projections.catalogue import projection_named
from runtime.postgres import Connection
from runtime.problems import Problem
from runtime.settings import Settings
from tests.integration.jobs_fixtures import JobsApi
from tests.integration.jobs_fixtures import jobs as jobs_fixture
from tests.jobs import APP, job_event
from tests.line import Line
from tests.waiting import wait_until

jobs = jobs_fixture
JOBS = projection_named("jobs")


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
    assert timedelta() <= datetime.now(UTC) - inserted < timedelta(minutes=5)
    assert job == {
        "job_id": "J1",
        "app_id": APP["app_id"],
        "app_name": "app-name",
        "app_version": "1.0.0",
        "site_id": "fab1",
        "job_key": "batch-123",
        "status": "succeeded",
        "started_at": "2025-10-19T12:00:00Z",
        "ended_at": "2025-10-19T12:05:00Z",
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
        "last_event_at": "2025-10-19T12:05:00Z",
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
        "2025-10-19T12:00:00Z",
        "2025-10-19T12:03:00Z",
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
        "2025-10-19T11:58:00Z",
        "2025-10-19T12:03:00Z",
        300.0,
        "2025-10-19T12:05:00Z",
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
    assert job["started_at"] == "2025-10-19T12:00:00Z"
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
        ("/v1/ingest/events:batch", b"[" * 700 + b"]" * 700, 422, "nested deeper"),
        ("/v1/ingest/events:batch", b'["a\\ud800"]', 422, "not a character"),
        ("/v1/ingest/events:batch", b"[NaN]", 422, "Failed to parse JSON"),
        ("/v1/ingest/events", b"x" * ((1 << 20) + 1), 413, "1048576"),
        ("/v1/ingest/nothing", b"{}", 404, "nothing at"),
    ],
)
async def test_what_is_refused(jobs: JobsApi, path: str, body: bytes, status: int, says: str) -> None:
    answer = await jobs.http.post(path, content=body)
    assert answer.status_code == status
    assert says in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("status=done", "status"),
        ("from=yesterday", "from"),
        ("cursor=x", "cursor"),
        ("nothing=1", "unknown"),
        ("metadata.=1", "metadata"),
        ("metadata.a=%00", "metadata"),
        ("stalled=maybe", "stalled"),
    ],
)
async def test_wrong_parameters(jobs: JobsApi, query: str, says: str) -> None:
    answer = await jobs.http.get(f"/v1/jobs?{query}")
    assert answer.status_code == 422
    assert says in answer.json()["detail"]


async def test_filters_and_pages(jobs: JobsApi) -> None:
    other = {"app_id": "B", "name": "100%_Loader", "version": None}
    now = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
    for number in range(7):
        await jobs.send(job_event(f"J{number}", metadata={"n": number, "even": number % 2 == 0, "who": "me"}))
    await jobs.send(job_event("old", site="fab2", app=other), job_event("J2", "finished", minute=1))
    await jobs.send(job_event("new", app=other, at=now))

    async def ids(**query: Any) -> list[str]:
        return [job["job_id"] for job in await jobs.jobs(**query)]

    everything = ["new", "J2", "old", "J6", "J5", "J4", "J3", "J1", "J0"]
    assert sorted((await ids())[:3]) == sorted(everything[:3])
    assert (await ids())[3:] == everything[3:]
    assert await ids(status="succeeded") == ["J2"]
    assert set(await ids(status="running, failed")) == set(everything) - {"J2"}
    assert set(await ids(app_name="%_load")) == {"old", "new"}
    assert await ids(app_name="1000") == []
    assert await ids(app_id="B", site="fab2") == ["old"]
    assert await ids(**{"metadata.n": "3"}) == ["J3"]
    assert await ids(**{"metadata.who": "me", "metadata.even": "true", "status": "running"}) == [
        "J6",
        "J4",
        "J0",
    ]
    assert await ids(**{"metadata.who": "you"}) == []
    assert await ids(stalled="false") == ["new", "J2"]
    assert len(await ids(stalled="true")) == 7
    newest = (await jobs.jobs(limit=1))[0]["inserted_at"]
    assert await ids(**{"from": newest}) == ["new"]
    assert "new" not in await ids(to=newest)
    paged: list[str] = []
    cursor = None
    while True:
        answer = (
            await jobs.http.get("/v1/jobs", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        ).json()
        paged += [job["job_id"] for job in answer["items"]]
        if (cursor := answer["next_cursor"]) is None:
            break
    assert paged == await ids()


async def test_tables_for_spreadsheets_and_pipes(jobs: JobsApi) -> None:
    await jobs.send(job_event("J1", business_key="=1+1", metadata={"a": [1]}), job_event("J2"))
    lines = (await jobs.http.get("/v1/jobs", headers={"Accept": "application/x-ndjson"})).text.splitlines()
    assert {json.loads(line)["job_id"] for line in lines} == {"J1", "J2"}
    answer = await jobs.http.get("/v1/jobs?limit=1&app_name=app", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["Foldline-Next-Cursor"]
    whole = await jobs.http.get("/v1/jobs", headers={"Accept": "text/csv, */*"})
    rows = {row["job_id"]: row for row in csv.DictReader(io.StringIO(whole.text))}
    assert rows["J1"]["job_key"] == "'=1+1"
    assert json.loads(rows["J1"]["metadata"]) == {"a": [1]}
    assert rows["J2"]["ended_at"] == ""


async def test_statistics_and_outliers(jobs: JobsApi) -> None:
    events = []
    for number in range(20):
        end = {"metrics": {"duration_s": 10.0 + number / 10, "mem_max_mb": 100}}
        events += [
            job_event(f"J{number}"),
            job_event(f"J{number}", "finished", minute=1 + 40 * (number % 3), **end),
        ]
    slow = {"metrics": {"duration_s": 100.0, "cpu_user_s": 2, "cpu_system_s": 1}}
    await jobs.send(*events, job_event("slow", "error", minute=2, status="failed", **slow))
    assert [job["job_id"] for job in await jobs.jobs(outliers="true")] == ["slow"]
    (day,) = await jobs.items("/v1/stats", every="day")
    assert (day["start"], day["count"], day["failed"]) == ("2025-10-19T00:00:00Z", 21, 1)
    assert day["success_rate"] == pytest.approx(20 / 21, abs=1e-6)
    assert day["duration_s"]["p50"] == pytest.approx(11, rel=0.05)
    assert day["duration_s"]["max"] == 100
    assert day["cpu_s"] == 3
    assert day["mem_mb"] == {"mean": 100, "max": 100}
    hours = await jobs.items("/v1/stats", app_name="APP")
    assert [(hour["start"], hour["count"]) for hour in hours] == [
        ("2025-10-19T13:00:00Z", 6),
        ("2025-10-19T12:00:00Z", 15),
    ]
    assert await jobs.items("/v1/stats", app_id="other") == []


async def test_numbers_for_dashboards(jobs: JobsApi) -> None:
    """Under the names that existing ones use."""
    done = {"metrics": {"duration_s": 42.0}}
    await jobs.send(*(job_event(f"J{n}") for n in range(3)), job_event("J1", "finished", minute=1, **done))
    assert (await jobs.http.post("/v1/ingest/events", json=job_event("J1", "exploded"))).status_code == 422
    assert (await jobs.http.get("/v1/nothing/at/all")).status_code == 404
    await jobs.jobs()
    text = (await jobs.http.get("/metrics")).text
    for line in (
        'jobs_total{app_name="app-name",status="running"} 2.0',
        'jobs_total{app_name="app-name",status="succeeded"} 1.0',
        'job_duration_seconds_bucket{le="30.0"} 0.0',
        'job_duration_seconds_bucket{le="60.0"} 1.0',
        "job_duration_seconds_count 1.0",
        "job_duration_seconds_sum 42.0",
        'http_requests_total{endpoint="none",method="GET",status="404"}',
        'http_requests_total{endpoint="/v1/ingest/events:batch",method="POST",status="200"}',
        'http_request_duration_seconds_count{endpoint="/v1/jobs",method="GET"}',
        'db_operations_total{operation="select",status="ok",table="entity"}',
        'events_processed_total{event_type="finished",status="stored"}',
        'events_processed_total{event_type="unknown",status="invalid_field"}',
        "db_pool_size ",
        "db_pool_available ",
        "system_cpu_usage ",
        "system_memory_usage_bytes ",
    ):
        assert line in text, line


async def test_an_id_at_two_sites(jobs: JobsApi) -> None:
    await jobs.send(job_event("J/1"), job_event("J/1", site="fab2"), job_event("mine", site=None))
    assert (await jobs.job("mine"))["site_id"] == "local"
    answer = await jobs.http.get("/v1/jobs/J/1")
    assert (answer.status_code, answer.json()) == (
        409,
        {"detail": "J/1 exists at the sites fab1, fab2: add ?site="},
    )
    assert (await jobs.job("J/1", site="fab2"))["site_id"] == "fab2"
    assert (await jobs.http.get("/v1/jobs/J2")).json() == {"detail": "No job with ID J2"}


async def test_a_body_under_the_subject_of_another_job(jobs: JobsApi, nc: Client, db: Connection) -> None:
    js = nc.jetstream()
    for subject in ("ev.fab1.job.J2.started", "ev.fab2.job.J1.started", "ev.fab1.job.J1.progress"):
        await js.publish(subject, json.dumps(job_event("J1")).encode())
    await js.publish("ev.fab1.job.J1.started", b"{")

    async def all_rejected() -> bool:
        found = await db.execute("select reason from jobs.rejected order by seq")
        return await found.fetchall() == [("wrong_subject",)] * 3 + [("invalid_json",)]

    await wait_until(all_rejected)
    await js.publish("ev.fab1.job.J1.started", json.dumps(job_event("J1")).encode())
    await wait_until(jobs.jobs)
    assert await jobs.jobs(site="fab2") == []


async def test_rebuild_verify_and_one_job_anew(
    jobs: JobsApi, settings: Settings, nc: Client, db: Connection
) -> None:
    for number in range(30):
        kind = ("started", "finished", "error", "metric", "canceled")[number % 5]
        sub = f"s{number % 3}" if number % 2 else None
        await jobs.send(job_event(f"J{number % 4}", kind, minute=number, sub=sub, key=f"k{number % 25}"))
    assert (await verify(JOBS, settings, nc)).differences == []
    before = [await jobs.job(f"J{number}") for number in range(4)], await jobs.items("/v1/stats")
    await rebuild(JOBS, settings, nc)
    assert (await jobs.jobs())[0]["job_id"]
    assert ([await jobs.job(f"J{number}") for number in range(4)], await jobs.items("/v1/stats")) == before
    await db.execute("update jobs.entity set status = 'failed', metadata = '{}' where id = 'J1'")
    assert {one.key["id"] for one in (await verify(JOBS, settings, nc)).differences} == {"J1"}
    assert await rebuild_entity(db, nc, JOBS, ("fab1", "J1"), settings.partitions) > 0
    assert (await verify(JOBS, settings, nc)).differences == []


async def test_what_is_older_than_the_line_is_carried_over(
    jobs: JobsApi, settings: Settings, nc: Client, db: Connection
) -> None:
    """Of JOBS the oldest goes by its age: a rebuild keeps what was folded of it, and counts nothing twice."""
    for name in ("gone", "half", "young"):
        for number in range(4):
            await jobs.send(
                job_event(
                    name, ("started", "progress", "error", "finished")[number], minute=number, key=f"{number}"
                ),
                job_event(name, "started", sub=f"s{number}"),
            )
    stored = await Line(nc).stored("JOBS")
    half = [fact.seq for fact in stored if b'"id": "half"' in fact.body or b'"id":"half"' in fact.body]
    await nc.jetstream().purge_stream("JOBS", seq=half[2])
    before = [await jobs.job(name) for name in ("gone", "half", "young")], await jobs.items("/v1/stats")
    for _ in range(2):
        done = await rebuild(JOBS, settings, nc)
        assert done.carried == 2
        shown = [await jobs.job(name) for name in ("gone", "half", "young")], await jobs.items("/v1/stats")
        assert shown == before
    found = await verify(JOBS, settings, nc)
    assert (found.differences, found.carried) == ([], 2)
    with pytest.raises(Problem, match="half at fab1 has left the line"):
        await rebuild_entity(db, nc, JOBS, ("fab1", "half"), settings.partitions)
    await jobs.send(job_event("half", "started", minute=9))
    job = await jobs.job("half")
    assert (job["attempts"], len(job["events"]), job["status"]) == (2, 9, "running")
    assert (await verify(JOBS, settings, nc)).differences == []
