"""The jobs read model and the line: wrong subjects, rebuilds, and what is older than the line."""

import json

import pytest
from nats.aio.client import Client

from consumers.control.entity_rebuild import rebuild_entity
from consumers.control.rebuild import rebuild
from consumers.control.verify import verify
from foldline.settings import Settings
from projections.catalogue import projection_named
from runtime.database.connections import Connection
from runtime.problems import Problem
from tests.support.jobs import job_event
from tests.support.jobs_api import JobsApi
from tests.support.line import Line
from tests.support.waiting import wait_until

JOBS = projection_named("jobs")


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
    with pytest.raises(Problem, match="no longer holds all facts of half at fab1"):
        await rebuild_entity(db, nc, JOBS, ("fab1", "half"), settings.partitions)
    await jobs.send(job_event("half", "started", minute=9))
    job = await jobs.job("half")
    assert (job["attempts"], len(job["events"]), job["status"]) == (2, 9, "running")
    assert (await verify(JOBS, settings, nc)).differences == []
