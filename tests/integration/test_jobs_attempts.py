"""Attempts of jobs over HTTP: two clocks, whole seconds, retries, ends that repeat or contradict."""

from typing import Any

import pytest

from runtime.database.connections import Connection
from tests.support.jobs import job_event
from tests.support.jobs_api import JobsApi

ERROR = {"error": "disk full", "error_type": "OSError"}


def outcomes(job: dict[str, Any]) -> list[str]:
    """Return how the attempts of a job went, and check that they are numbered."""
    assert [attempt["number"] for attempt in job["attempt_list"]] == [*range(1, job["attempts"] + 1)]
    return [attempt["outcome"] for attempt in job["attempt_list"]]


async def test_an_end_that_another_clock_stamped_before_its_begin_ends_the_job(jobs: JobsApi) -> None:
    await jobs.send(job_event("J", "started", minute=5), job_event("J", "finished", minute=5 - 0.005 / 60))
    job = await jobs.job("J")
    assert (job["status"], job["stalled"], job["duration_s"], outcomes(job)) == (
        "succeeded",
        False,
        0.0,
        ["succeeded"],
    )
    (figure,) = await jobs.items("/v1/stats")
    assert (figure["count"], figure["succeeded"], figure["duration_s"]["max"]) == (1, 1, 0.0)


async def test_the_duration_tells_which_attempt_an_end_belongs_to(jobs: JobsApi) -> None:
    """The first attempt never told its end; the second one's end was stamped before its begin."""
    first, second = job_event("J", "started"), job_event("J", "started", minute=60)
    end = job_event("J", "finished", minute=59.9, metrics={"duration_s": 2})
    await jobs.send(first, second, end)
    assert outcomes(await jobs.job("J")) == ["lost", "succeeded"]
    await jobs.send(
        job_event("K", "started"),
        job_event("K", "started", minute=60),
        job_event("K", "finished", minute=59.9, metrics={"duration_s": 3_594}),
    )
    assert outcomes(await jobs.job("K")) == ["succeeded", "running"]


async def test_a_late_end_of_the_first_attempt_does_not_end_the_second(jobs: JobsApi) -> None:
    """It was in a spool while the retry began, and tells nothing of when its attempt began."""
    first, second = job_event("J", "started"), job_event("J", "started", minute=4)
    await jobs.send(first, second, job_event("J", "finished", minute=2.1))
    job = await jobs.job("J")
    assert (job["status"], outcomes(job)) == ("running", ["succeeded", "running"])
    assert job["attempt_list"][0]["duration_s"] == 126.0


async def test_an_end_that_no_clock_explains_is_an_attempt_of_its_own(jobs: JobsApi) -> None:
    await jobs.send(
        job_event("J", "started", minute=20), job_event("J", "finished", minute=9, status="failed")
    )
    job = await jobs.job("J")
    assert (job["status"], outcomes(job)) == ("running", ["failed", "running"])
    (figure,) = await jobs.items("/v1/stats")
    assert (figure["count"], figure["failed"], figure["attempts"], figure["failed_attempts"]) == (1, 1, 2, 1)


async def test_at_equal_times_the_line_decides(jobs: JobsApi) -> None:
    """Times in whole seconds: a job that failed and succeeded within one."""
    kinds = ("started", None), ("error", "failed"), ("started", None), ("finished", None)
    await jobs.send(*(job_event("J", kind, status=status) for kind, status in kinds))
    assert outcomes(await jobs.job("J")) == ["failed", "succeeded"]


async def test_a_second_begin_is_another_attempt_and_the_one_before_is_lost(jobs: JobsApi) -> None:
    await jobs.send(
        job_event("J", "started", key="a"), job_event("J", "started", minute=1, key="b", metrics={"rows": 1})
    )
    job = await jobs.job("J")
    assert (outcomes(job), job["status"]) == (["lost", "running"], "running")
    await jobs.send(job_event("J", "finished", minute=2))
    (figure,) = await jobs.items("/v1/stats")
    assert (figure["count"], figure["attempts"], figure["lost_attempts"]) == (1, 2, 1)


async def test_the_error_of_a_failed_attempt_stays_with_it(jobs: JobsApi) -> None:
    await jobs.send(
        job_event("J", "started", metadata={"host": "h1"}),
        job_event("J", "error", minute=1, status="failed", metadata=ERROR, metrics={"rows": 40}),
        job_event("J", "started", minute=2),
        job_event("J", "finished", minute=3, status="succeeded", metrics={"rows": 120}),
    )
    job = await jobs.job("J")
    assert (job["metadata"], job["metrics"], job["errors"]) == ({"host": "h1"}, {"rows": 120}, 1)
    failed, succeeded = job["attempt_list"]
    assert (failed["error"], failed["error_type"], failed["metrics"]) == (
        "disk full",
        "OSError",
        {"rows": 40},
    )
    assert (succeeded["error"], succeeded["error_type"], succeeded["metrics"]) == (None, None, {"rows": 120})
    assert await jobs.jobs(**{"metadata.error_type": "OSError"}) == []


async def test_a_late_event_changes_the_attempt_it_happened_in(jobs: JobsApi) -> None:
    await jobs.send(
        job_event("J", "started"),
        job_event("J", "finished", minute=2, status="failed"),
        job_event("J", "started", minute=3),
        job_event("J", "progress", minute=4, metrics={"rows": 7}),
        job_event("J", "metric", minute=1, metrics={"rows": 5, "peak": 1.5}),
        job_event("J", "error", minute=1.5, status="canceled"),
    )
    job = await jobs.job("J")
    assert outcomes(job) == ["failed", "running"]
    first, second = job["attempt_list"]
    assert (first["metrics"], second["metrics"], job["metrics"]) == (
        {"peak": 1.5, "rows": 5},
        {"rows": 7},
        {"rows": 7},
    )
    assert first["ended_at"] == "2025-10-19T12:02:00.000000Z"


async def test_of_late_values_the_newest_wins(jobs: JobsApi) -> None:
    for minute, rows in ((9, None), (3, 40), (5, 120), (4, 80)):
        metrics, metadata = ({}, {}) if rows is None else ({"rows": rows}, {"step": rows})
        await jobs.send(job_event("J", "progress", minute=minute, metrics=metrics, metadata=metadata))
    job = await jobs.job("J")
    assert (job["metrics"], job["metadata"]) == ({"rows": 120}, {"step": 120})


@pytest.mark.parametrize(("last", "status"), [(None, "failed"), ("succeeded", "succeeded")])
async def test_a_bare_finished_does_not_undo_a_failure(jobs: JobsApi, last: str | None, status: str) -> None:
    await jobs.send(
        job_event("J", "started"),
        job_event("J", "error", minute=1, status="failed", metadata=ERROR),
        job_event("J", "finished", minute=1.01, status=last),
    )
    job = await jobs.job("J")
    assert (job["status"], outcomes(job)) == (status, [status])


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        *(("started", status) for status in ("succeeded", "failed", "canceled")),
        *(("progress", status) for status in ("succeeded", "failed", "canceled")),
        *(("canceled", status) for status in ("running", "succeeded", "failed")),
        ("finished", "running"),
        ("error", "succeeded"),
    ],
)
async def test_what_contradicts_itself_is_refused(jobs: JobsApi, kind: str, status: str) -> None:
    answer = await jobs.http.post("/v1/ingest/events", json=job_event("J", kind, status=status))
    assert answer.status_code == 422, answer.text
    assert f"{status} contradicts the kind {kind}" in answer.text


async def test_metrics_and_metadata_of_a_job_are_bounded_and_what_fits_is_always_accepted(
    jobs: JobsApi, db: Connection
) -> None:
    """The verdict is taken in the order of the line: the room that a name once took stays its own."""
    large = [f"{'x' * 900_000}{number}" for number in range(6)]
    for number, text in enumerate(large):
        await jobs.http.post(
            "/v1/ingest/events",
            json=job_event("J", "progress", minute=number, metadata={f"name {number}": text}),
            headers={"Foldline-Wait": "20000"},
        )
    job = await jobs.job("J")
    assert [*job["metadata"]] == [f"name {number}" for number in range(4)]
    await jobs.send(
        job_event("J", "finished", minute=9, metadata={"name 0": "small"}, metrics={"rows": 1}),
    )
    job = await jobs.job("J")
    assert (job["status"], job["metadata"]["name 0"], job["metrics"]) == ("succeeded", "small", {"rows": 1})
    rejected = await (await db.execute("select reason from jobs.rejected")).fetchall()
    assert rejected == [("too_large",), ("too_large",)]
