"""Lists, tables, statistics and numbers of the jobs surface."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.jobs import job_event
from tests.support.jobs_api import JobsApi


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


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/subjobs"])
async def test_a_table_has_its_header_with_and_without_rows(jobs: JobsApi, path: str) -> None:
    table = {"headers": {"Accept": "text/csv"}}
    empty = (await jobs.http.get(path, **table)).text
    await jobs.send(job_event("J1", sub="s"))
    header, row = csv.reader(io.StringIO((await jobs.http.get(path, **table)).text))
    assert list(csv.reader(io.StringIO(empty))) == [header]
    assert len(row) == len(header)
    (item,) = await jobs.items(path)
    assert list(item) == header


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
    assert (day["start"], day["count"], day["failed"]) == ("2025-10-19T00:00:00.000000Z", 21, 1)
    assert day["success_rate"] == pytest.approx(20 / 21, abs=1e-6)
    assert day["duration_s"]["p50"] == pytest.approx(11, rel=0.05)
    assert day["duration_s"]["max"] == 100
    assert day["cpu_s"] == 3
    assert day["mem_mb"] == {"mean": 100, "max": 100}
    hours = await jobs.items("/v1/stats", app_name="APP")
    assert [(hour["start"], hour["count"]) for hour in hours] == [
        ("2025-10-19T13:00:00.000000Z", 6),
        ("2025-10-19T12:00:00.000000Z", 15),
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
        'http_requests_total{endpoint="none",method="GET",status="404",surface="jobs"}',
        'http_requests_total{endpoint="/v1/ingest/events:batch",method="POST",status="200",surface="jobs"}',
        'http_request_duration_seconds_count{endpoint="/v1/jobs",method="GET",surface="jobs"}',
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
        {"detail": "J/1 exists at the sites fab1, fab2: name one with ?site="},
    )
    assert (await jobs.job("J/1", site="fab2"))["site_id"] == "fab2"
    assert (await jobs.http.get("/v1/jobs/J2")).json() == {"detail": "No job with ID J2"}
