"""Filters of the list of jobs whose statements look at rows in another order than the list is in."""

from typing import Any, Final

import pytest
from nats.aio.client import Client

from api.jobs.job_queries import JobsQuery, StatsQuery, SubjobsQuery
from api.operations.rejected import RejectedQuery
from api.reading.params import Query, Text
from api.sessions.export import ExportQuery
from foldline.settings import Settings
from foldline.surfaces import API
from tests.support.jobs import job_event
from tests.support.jobs_api import JobsApi
from tests.support.line import Line
from tests.support.served_surface import served_surface
from tests.support.waiting import wait_until

SESSIONS: Final = ("/api/data/sessions", "/v1/rejected")
QUERIES: Final[dict[str, type[Query]]] = {
    "/v1/jobs": JobsQuery,
    "/v1/subjobs": SubjobsQuery,
    "/v1/stats": StatsQuery,
    "/api/data/sessions": ExportQuery,
    "/v1/rejected": RejectedQuery,
}


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
    by_start = await _pages(jobs, limit=500, sort="-started_at", **{"metadata.host": "all"})
    assert sorted(by_start) == sorted(described)
    named = await _pages(jobs, limit=500, app_name="loader 2", **{"metadata.host": "all"})
    assert named == [one for one in described if int(one[1:]) % 30 in (2, *range(20, 30))]
    few = await _pages(jobs, **{"metadata.rack": "32"})
    assert few == [one for one in described if int(one[1:]) % 300 == 32]
    assert await _pages(jobs, app_name="loader 2", **{"metadata.rack": "32"}) == few
    assert await _pages(jobs, app_name="loader 3", **{"metadata.rack": "32"}) == []


async def test_large_metadata_are_found_without_their_index(jobs: JobsApi) -> None:
    large = {"host": "a", "n": 7, "list": list(range(5000))}
    await jobs.send(
        job_event("large", metadata=large),
        job_event("other", metadata=large | {"host": "b"}),
        job_event("small", metadata={"host": "a", "n": 7}),
    )
    assert set(await _pages(jobs, **{"metadata.host": "a"})) == {"large", "small"}
    assert set(await _pages(jobs, **{"metadata.n": "7"})) == {"large", "other", "small"}
    assert await _pages(jobs, **{"metadata.host": "b", "metadata.n": "7"}) == ["other"]
    assert await _pages(jobs, **{"metadata.host": "b", "metadata.n": "8"}) == []


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


@pytest.mark.parametrize(
    "path", ["/v1/jobs", "/v1/subjobs", "/v1/stats", "/api/data/sessions", "/v1/rejected"]
)
async def test_an_empty_filter_is_the_empty_text(
    jobs: JobsApi, settings: Settings, nc: Client, path: str
) -> None:
    """Every text filter of every list; only empty `status` and `app_name` are not chosen."""
    line = Line(nc)
    await jobs.send(job_event("J1", "finished", business_key="k"), job_event("J1", sub="s", sub_key="k"))
    async with served_surface(settings, API) as api:
        await line.created("S1")
        await line.put("event", "S1", {"name": 5})

        async def listed(**query: str) -> list[Any] | None:
            answer = await (api if path in SESSIONS else jobs.http).get(path, params=query)
            if answer.status_code in (400, 422):
                return None  # an enumeration has no empty value
            body = answer.raise_for_status().json()
            return body if isinstance(body, list) else body["items"]

        async def is_there() -> bool:
            return bool(await listed())

        await wait_until(is_there)
        names = [
            name for name, field in QUERIES[path].model_fields.items() if field.annotation == (Text | None)
        ]
        assert {"site", "app_id", "job_key", "job_id", "sub_key", "product", "reason"} & set(names)
        for name in {*names, "status", "app_name"} & set(QUERIES[path].model_fields) - {"cursor"}:
            found = await listed(**{name: ""})
            assert bool(found) == (name in ("status", "app_name")), name


async def test_the_empty_text_is_found_where_it_was_sent(jobs: JobsApi) -> None:
    await jobs.send(
        job_event("J1", business_key="", metadata={"note": ""}),
        job_event("J2", business_key="k", metadata={"note": "n"}),
        job_event("J3", metadata={"note": None}),
    )
    assert await _pages(jobs, job_key="") == ["J1"]
    assert await _pages(jobs, **{"metadata.note": ""}) == ["J1"]


async def test_a_filter_is_a_text_whatever_number_it_looks_like(jobs: JobsApi) -> None:
    """A commit such as 4e97311 is no number that a body could hold; a text that is one meets it as well."""
    texts = [
        "4e97311",
        "1e999",
        "-1e400",
        "NaN",
        "Infinity",
        "0x10",
        "1_000",
        "00",
        "1e5",
        "-0.0",
        "1e23",
        "3",
    ]
    texts += [
        "123456789012345678901234567890",
        "9" * 400,
        "true",
        "null",
        '"a"',
        "[" * 100,
        "\\u0000",
        "1e-400",
    ]
    await jobs.send(*(job_event(f"J{place}", metadata={"k": text}) for place, text in enumerate(texts)))
    await jobs.send(job_event("number", metadata={"k": 3}), job_event("float", metadata={"k": 1e23}))
    for place, text in enumerate(texts):
        found = await _pages(jobs, **{"metadata.k": text})
        assert sorted(found) == sorted([f"J{place}", *{"3": ["number"], "1e23": ["float"]}.get(text, [])]), (
            text
        )
        assert await _pages(jobs, **{"metadata.k": text, "metadata.other": "1"}) == []
