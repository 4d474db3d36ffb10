"""Walks through lists that change: none missed, none twice; orders by values that some jobs lack."""

import random
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.support.jobs import job_event
from tests.support.jobs_api import JobsApi

Step = Callable[[int], list[dict[str, Any]]]
JOBS = 60


async def walk(
    jobs: JobsApi, path: str, *, between: Step | None = None, table: bool = False, **query: Any
) -> list[str]:
    """Ids in the order of the pages; events are sent between two of them."""
    name = "job_id" if path == "/v1/jobs" else "subjob_id"
    found: list[str] = []
    cursor: dict[str, str] = {}
    for turn in range(100):
        answer = await jobs.http.get(path, params={"limit": 7} | query | cursor)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        found += [item[name] for item in body["items"]]
        if body["next_cursor"] is None:
            return found
        cursor = {"cursor": body["next_cursor"]}
        if between is not None:
            await jobs.send(*between(turn))
    raise AssertionError("the walk has no end")


def moving(turn: int) -> list[dict[str, Any]]:
    """Events of any jobs and subjobs, ends and new attempts, and some that open new ones."""
    random_ = random.Random(turn)
    kinds = ["progress", "metric", "finished", "started"]
    events = []
    for _ in range(12):
        job, minute = f"J{random_.randrange(JOBS)}", 1 + turn + random_.random()
        kind = random_.choice(kinds)
        events.append(job_event(job, kind, minute=minute))
        events.append(job_event(job, kind, sub=f"s{job}", minute=minute))
    return [*events, job_event(f"new{turn}", sub=f"snew{turn}")]


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/subjobs"])
@pytest.mark.parametrize(
    "query",
    [
        {},
        {"sort": "-opened_at"},
        {"sort": "opened_at"},
        {"app_name": "loader", "limit": 3},
        {"app_name": "loader", "metadata.host": "h1"},
        {"metadata.host": "h1"},
        {"site": "fab1", "from": "2020-01-01T00:00:00Z"},
    ],
    ids=str,
)
async def test_a_walk_misses_nothing_that_moves(jobs: JobsApi, path: str, query: dict[str, Any]) -> None:
    """Every page is followed by two dozen events, in half of the jobs that there are."""
    app = {"app_id": "A", "name": "Loader", "version": None}
    told: dict[str, Any] = {"app": app, "metadata": {"host": "h1"}}
    await jobs.send(*(job_event(f"J{number}", **told) for number in range(JOBS)))
    await jobs.send(*(job_event(f"J{number}", sub=f"sJ{number}", **told) for number in range(JOBS)))
    named = {"app": app}

    def between(turn: int) -> list[dict[str, Any]]:
        return [event | named for event in moving(turn)]

    found = await walk(jobs, path, between=between, **query)
    old = [f"{'' if path == '/v1/jobs' else 's'}J{number}" for number in range(JOBS)]
    assert sorted(one for one in found if "new" not in one) == sorted(old)
    assert len(set(found)) == len(found)


async def test_a_first_page_has_the_newest_events_and_the_rest_is_a_walk(jobs: JobsApi) -> None:
    await jobs.send(*(job_event(f"J{number}") for number in range(6)))
    await jobs.send(job_event("J1", "progress", minute=1))
    await jobs.send(job_event("J0", "progress", minute=1))
    assert await walk(jobs, "/v1/jobs", limit=2) == ["J0", "J1", "J5", "J4", "J3", "J2"]
    assert await walk(jobs, "/v1/jobs", limit=10) == ["J0", "J1", "J5", "J4", "J3", "J2"]
    assert await walk(jobs, "/v1/jobs", limit=2, sort="opened_at") == [f"J{number}" for number in range(6)]


async def test_a_job_that_its_subjob_opened_has_a_place(jobs: JobsApi) -> None:
    await jobs.send(*(job_event(f"J{number}", sub="s") for number in range(6)))

    def first_own_events(turn: int) -> list[dict[str, Any]]:
        return [job_event(f"J{number}", minute=1 + turn) for number in range(6)]

    found = await walk(jobs, "/v1/jobs", limit=2, between=first_own_events)
    assert sorted(found) == [f"J{number}" for number in range(6)]


async def test_a_table_is_a_walk(jobs: JobsApi) -> None:
    await jobs.send(*(job_event(f"J{number}") for number in range(6)))
    await jobs.send(job_event("J0", "progress", minute=1))
    csv = {"Accept": "text/csv"}
    lines: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await jobs.http.get("/v1/jobs", params={"limit": 4} | cursor, headers=csv)
        lines += answer.text.splitlines()[1:]
        if (after := answer.headers.get("Foldline-Next-Cursor")) is None:
            break
        await jobs.send(job_event("J1", "progress", minute=2), job_event("J4", "progress", minute=2))
        cursor = {"cursor": after}
    assert [line.partition(",")[0] for line in lines] == ["J5", "J4", "J3", "J2", "J1", "J0"]


@pytest.fixture
async def saturday(jobs: JobsApi) -> JobsApi:
    """J1 to J3 started an hour apart and took as many minutes; J4 runs, J5 has not even started."""
    night = {"night": "saturday"}
    for number in (1, 2, 3):
        at = 60 * number
        await jobs.send(
            job_event(f"J{number}", minute=at, metadata=night),
            job_event(f"J{number}", "finished", minute=at + 4 - number),
        )
    await jobs.send(
        job_event("J4", minute=240, metadata=night), job_event("J5", "progress", minute=300, metadata=night)
    )
    return jobs


async def test_jobs_without_a_value_are_last(saturday: JobsApi) -> None:
    for sort, order in {
        "started_at": "J1 J2 J3 J4 J5",
        "-started_at": "J4 J3 J2 J1 J5",
        "ended_at": "J1 J2 J3 J4 J5",
        "-ended_at": "J3 J2 J1 J5 J4",
        "duration_s": "J3 J2 J1 J4 J5",
        "-duration_s": "J1 J2 J3 J5 J4",
        "opened_at": "J1 J2 J3 J4 J5",
    }.items():
        for query in (
            {"limit": 1},
            {"limit": 2},
            {"limit": 3},
            {"limit": 4},
            {"limit": 5},
            {"app_name": "APP"},
            {"limit": 2, "metadata.night": "saturday"},
        ):
            assert await walk(saturday, "/v1/jobs", sort=sort, **query) == order.split(), (sort, query)


async def test_ranges(saturday: JobsApi) -> None:
    for query, found in {
        "started_after=2025-10-19T14:00:00Z": "J2 J3 J4",
        "started_before=2025-10-19T14:00:00Z": "J1",
        "ended_after=2025-10-19T14:02:00Z": "J2 J3",
        "ended_before=2025-10-19T14:02:00Z": "J1",
        "started_before=2025-10-19T15:00:30Z&ended_after=2025-10-19T14:01:00Z": "J2 J3",
        "min_duration=120": "J1 J2",
        "max_duration=120": "J2 J3",
        "min_duration=61&max_duration=179": "J2",
        "opened_before=2020-01-01T00:00:00Z": "",
        "opened_after=2020-01-01T00:00:00Z": "J1 J2 J3 J4 J5",
    }.items():
        wanted = dict(parse_qsl(query))
        for sort in ("-inserted_at", "-started_at", "duration_s"):
            assert sorted(await walk(saturday, "/v1/jobs", sort=sort, **wanted)) == found.split(), (
                query,
                sort,
            )


async def test_opened_at_never_changes(jobs: JobsApi) -> None:
    await jobs.send(job_event("J1", sub="s"))
    before = await jobs.job("J1")
    assert before["opened_at"] == before["inserted_at"]
    await jobs.send(job_event("J1", "finished", minute=5), job_event("J1", minute=-5))
    after = await jobs.job("J1")
    assert after["opened_at"] == before["opened_at"] < after["inserted_at"]
    assert after["subjobs"][0]["opened_at"] == before["subjobs"][0]["opened_at"]


async def test_a_cursor_belongs_to_its_list_and_order(jobs: JobsApi) -> None:
    await jobs.send(*(job_event(f"J{number}", sub="s") for number in range(3)))
    cursors = {
        sort: (await jobs.http.get("/v1/jobs", params={"limit": 1, "sort": sort})).json()["next_cursor"]
        for sort in ("-inserted_at", "-opened_at", "opened_at", "started_at", "-duration_s")
    }
    for sort, cursor in cursors.items():
        for path in ("/v1/jobs", "/v1/subjobs"):
            for other in cursors:
                answer = await jobs.http.get(path, params={"sort": other, "cursor": cursor})
                fits = other == sort and path == "/v1/jobs"
                assert answer.status_code == (200 if fits else 422), (sort, path, other)
