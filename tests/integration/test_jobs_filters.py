"""Filters of the list of jobs whose statements look at rows in another order than the list is in."""

from typing import Any

from tests.support.jobs import job_event
from tests.support.jobs_api import JobsApi
from tests.support.waiting import wait_until


def _app(number: int, name: str = "loader") -> dict[str, Any]:
    return {"app_id": f"A{number}", "name": f"{name} {number}", "version": None}


async def _pages(jobs: JobsApi, **query: Any) -> list[str]:
    """Ids of a whole list, read in pages of four or of `limit`."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = (await jobs.http.get("/v1/jobs", params={"limit": 4} | query | cursor)).json()
        found += [job["job_id"] for job in answer["items"]]
        if answer["next_cursor"] is None:
            return found
        cursor = {"cursor": answer["next_cursor"]}


async def test_a_name_that_few_or_many_applications_have(jobs: JobsApi) -> None:
    for round_ in range(2):
        await jobs.send(*(job_event(f"J{round_}-{number}", app=_app(number)) for number in range(30)))
    everything = [job["job_id"] for job in await jobs.jobs()]
    assert len(everything) == 60
    assert await _pages(jobs, app_name="LOADER") == everything
    few = {f"J{round_}-{number}" for round_ in range(2) for number in (2, *range(20, 30))}
    assert await _pages(jobs, app_name="loader 2") == [one for one in everything if one in few]


async def test_an_application_that_was_renamed(jobs: JobsApi) -> None:
    await jobs.send(job_event("before", app=_app(1, "old")))
    await jobs.send(job_event("after", app=_app(1, "new")))
    assert await _pages(jobs, app_name="old") == ["before"]
    assert await _pages(jobs, app_name="new") == ["after"]
    assert await _pages(jobs, app_name=" 1") == ["after", "before"]


async def test_several_keys_of_the_metadata(jobs: JobsApi) -> None:
    told: dict[str, Any] = {"a": 1, "b": "2", "c": True, "d": "x", "e": 5, "f": "6"}
    await jobs.send(job_event("J1", metadata=told), job_event("J2", metadata=told | {"f": "7", "a": "1"}))
    asked = {f"metadata.{name}": str(value).lower() for name, value in told.items()}
    assert await _pages(jobs, **asked) == ["J1"]
    assert await _pages(jobs, **asked | {"metadata.f": "7"}) == ["J2"]
    assert await _pages(jobs, **asked | {"metadata.e": "6"}) == []
    assert set(await _pages(jobs, **{"metadata.a": "1", "metadata.c": "true"})) == {"J1", "J2"}
    assert await _pages(jobs, **{"metadata.a": "1", "metadata.f": "7"}) == ["J2"]


async def test_metadata_that_few_or_many_jobs_have(jobs: JobsApi) -> None:
    many = 2_100  # more than are read and sorted
    await jobs.send(
        *(
            job_event(f"J{number}", app=_app(number % 30), metadata={"host": "all", "rack": number % 300})
            for number in range(many)
        ),
        job_event("other"),
    )
    everything = await _pages(jobs, limit=500)
    assert len(everything) == many + 1
    described = [one for one in everything if one != "other"]
    assert await _pages(jobs, limit=500, **{"metadata.host": "all"}) == described
    named = await _pages(jobs, limit=500, app_name="loader 2", **{"metadata.host": "all"})
    assert named == [one for one in described if int(one[1:]) % 30 in (2, *range(20, 30))]
    few = await _pages(jobs, **{"metadata.rack": "32"})
    assert few == [one for one in described if int(one[1:]) % 300 == 32]
    assert await _pages(jobs, app_name="loader 2", **{"metadata.rack": "32"}) == few
    assert await _pages(jobs, app_name="loader 3", **{"metadata.rack": "32"}) == []


async def test_medians_are_found_anew(jobs: JobsApi) -> None:
    assert await jobs.jobs(outliers="true") == []
    durations = [10.0] * 8 + [90.0]
    await jobs.send(
        *(
            job_event(f"J{place}", "finished", metrics={"duration_s": seconds})
            for place, seconds in enumerate(durations)
        )
    )

    async def known() -> bool:
        return [job["job_id"] for job in await jobs.jobs(outliers="true")] == ["J8"]

    await wait_until(known)


async def test_outliers_among_other_filters(jobs: JobsApi) -> None:
    for number in range(2):
        usual = [
            job_event(f"usual-{number}-{one}", "finished", app=_app(number), metrics={"duration_s": 10.0})
            for one in range(8)
        ]
        slow = job_event(
            f"slow-{number}",
            "error",
            app=_app(number),
            status="failed",
            metrics={"duration_s": 90.0 + number},
            metadata={"host": f"h{number}"},
        )
        await jobs.send(*usual, slow)
    assert await _pages(jobs, outliers="true") == ["slow-1", "slow-0"]
    assert await _pages(jobs, outliers="true", app_name="loader 0") == ["slow-0"]
    assert await _pages(jobs, outliers="true", **{"metadata.host": "h1"}) == ["slow-1"]
    assert await _pages(jobs, outliers="true", status="succeeded") == []
