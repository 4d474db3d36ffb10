"""Times in answers: six digits and Z everywhere, so that texts sort as times do; edges of time come back."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from nats.aio.client import Client

from foldline.settings import Settings
from foldline.surfaces import API
from runtime.database.connections import Connection
from tests.support.jobs import job_event
from tests.support.jobs_api import JobsApi
from tests.support.line import Line
from tests.support.served_surface import served_surface
from tests.support.waiting import wait_until

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
SERVED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
NOON = "2026-01-31T12:00:00Z"
NAMES = {"session_id": "S1", "job_id": "J1", "stream": "JOBS", "sequence": "1"}
PARAMS = {
    "/api/timeseries": {"metric": "m"},
    "/api/sessions/S1/diff": {"from": NOON, "to": NOON},
}
EDGES = {
    "0001-01-01T00:00:00Z": "0001-01-01T00:00:00.000000Z",
    "2016-12-31T23:59:60Z": "2016-12-31T23:59:59.999999Z",
    "2026-01-31T13:00:00+01:00": "2026-01-31T12:00:00.000000Z",
}


def times(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a JSON value that begins like a time, with its place."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from times(one, f"{path}.{name}")
    elif isinstance(value, list):
        for one in value:
            yield from times(one, f"{path}[]")
    elif isinstance(value, str) and TIME.match(value):
        yield path, value


async def get_routes(client: httpx.AsyncClient, names: dict[str, str]) -> list[str]:
    """The paths of all routes that answer a GET with JSON, names filled in."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    return [
        path.format_map({**NAMES, **names})
        for path, methods in paths.items()
        if "application/json" in methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
    ]


async def assert_times(client: httpx.AsyncClient, names: dict[str, str]) -> set[str]:
    """Check every route, and return the places where there are times."""
    found: set[str] = set()
    for path in await get_routes(client, names):
        answer = await client.get(path, params=PARAMS.get(path, {}))
        assert answer.status_code in (200, 404), f"{path}: {answer.text}"
        for place, text in times(answer.json()):
            assert SERVED.fullmatch(text), f"{path}{place}: {text}"
            found.add(place)
    return found


async def test_every_time_in_every_answer(jobs: JobsApi, settings: Settings, nc: Client) -> None:
    """Each time that is sent has no fraction, which is what encoders leave out."""
    line = Line(nc)
    await jobs.send(
        job_event("J1"), job_event("J1", sub="s"), job_event("J1", "finished", minute=5), job_event("J2")
    )
    async with served_surface(settings, API) as api:
        for fact, body in (
            ("created", {"product": "p", "timestamp": NOON}),
            ("state", {"a": 1}),
            ("event", {"name": "e", "timestamp": NOON}),
            ("metric", {"name": "m", "value": 1, "timestamp": NOON}),
            ("ended", {"timestamp": NOON}),
        ):
            await line.put(fact, "S1", body)
        await line.put("event", "S1", {"name": 5})

        async def is_rejected() -> bool:
            return bool((await api.get("/v1/rejected")).json()["items"])

        await wait_until(is_rejected)
        by_jobs = await assert_times(jobs.http, {})
        assert {".items[].started_at", ".items[].inserted_at", ".items[].start", ".events[].at"} <= by_jobs
        for name in ("jobs", "sweep"):
            found = await assert_times(api, {"name": name})
            assert {".created_at", ".items[].stored_at", "[].state_history[].timestamp"} <= found, found


@pytest.mark.parametrize(("sent", "served"), EDGES.items())
async def test_edges_come_back(jobs: JobsApi, sent: str, served: str) -> None:
    event = job_event("J1") | {"event": {"kind": "started", "at": sent}}
    await jobs.send(event)
    job = await jobs.job("J1")
    assert (job["started_at"], job["events"][0]["at"]) == (served, served)
    for bound in ("from", "to"):
        for edge in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", sent):
            assert (await jobs.http.get("/v1/jobs", params={bound: edge})).status_code == 200
            assert (await jobs.http.get("/v1/stats", params={bound: edge})).status_code == 200


async def test_durations_at_the_edges(jobs: JobsApi, db: Connection) -> None:
    """What is computed from a time stays among the times that there are."""
    first, last = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z"
    duration = {"metrics": {"duration_s": 1e10}}
    await jobs.send(
        job_event("early", "finished", at=first, **duration),
        job_event("early", at=first),
        job_event("over", minute=1),
        job_event("over", "finished", at=first, **duration),
        job_event("told", "finished", started_at=first, ended_at=last),
        job_event("told back", "finished", started_at=last, ended_at=first, **duration),
        job_event("late", started_at=last),
        job_event("late", "finished", minute=5, **duration),
    )
    assert await (await db.execute("select id from jobs.parked")).fetchall() == []
    found = {job["job_id"]: job for job in await jobs.jobs()}
    assert found.keys() == {"early", "over", "told", "told back", "late"}
    assert found["told"]["ended_at"] == "9999-12-31T23:59:59.999999Z"
    assert all(SERVED.fullmatch(text) for _, text in times(list(found.values())))
    for query in ("sort=duration_s", "sort=-ended_at", "outliers=true", "stalled=true"):
        assert (await jobs.http.get(f"/v1/jobs?{query}")).status_code == 200
    for every in ("hour", "day"):
        assert (await jobs.http.get(f"/v1/stats?every={every}")).status_code == 200


async def test_sessions_at_the_edges(jobs: JobsApi, settings: Settings, nc: Client) -> None:
    line = Line(nc)
    async with served_surface(settings, API) as api:
        for fact, body in (
            ("created", {"product": "p", "version": "1", "timestamp": "0001-01-01T00:00:00Z"}),
            ("event", {"name": "e", "timestamp": "2016-12-31T23:59:60.5Z"}),
            ("metric", {"name": "m", "value": 1, "timestamp": "0001-01-01T00:00:00.0000001Z"}),
        ):
            await line.put(fact, "S1", body)

        async def is_whole() -> bool:
            answer = await api.get("/api/sessions/S1")
            return answer.status_code == 200 and bool(answer.json()["metrics"])

        await wait_until(is_whole)
        session = (await api.get("/api/sessions/S1")).json()
        assert session["created_at"] == session["metrics"][0]["timestamp"] == "0001-01-01T00:00:00.000000Z"
        assert session["events"][0]["timestamp"] == "2016-12-31T23:59:59.999999Z"
        for sort in ("created_at", "-updated_at"):
            page = await api.get("/api/data/sessions", params={"sort": sort, "limit": 1})
            assert page.json()[0]["session_id"] == "S1"
        edges = {"since": "0001-01-01T00:00:00Z", "until": "9999-12-31T23:59:59.9999999Z"}
        series = await api.get("/api/timeseries", params={"metric": "m"} | edges)
        assert [point["Value"] for point in series.json()["Points"]] == [1]
        for path in ("events", "metrics", "history"):
            assert (await api.get(f"/api/sessions/S1/{path}", params=edges)).status_code == 200
        for at in edges.values():
            assert (await api.get("/api/sessions/S1", params={"at": at})).status_code in (200, 400, 404)
