"""Histories of jobs through the engine into PostgreSQL, against a reference that sees all events at once."""

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from projections.jobs.projection import JobsProjection
from projections.jobs.views import JobViews
from runtime.database.connections import Connection
from schemas.subjects import token_of
from tests.reference.jobs import Happened, job
from tests.reference.published import Published
from tests.support.folding import Folding
from tests.support.job_histories import NOON, History, job_body, random_history
from tests.support.job_judge import SHOWN, as_json, judge_histories

logger = logging.getLogger("foldline.test")


def one_line(count: int, chance: Random) -> tuple[dict[str, History], list[Published]]:
    """Return histories of that many jobs, and the line that they make together."""
    rest = {f"job {number}": random_history(chance) for number in range(count)}
    told: dict[str, History] = {name: [] for name in rest}
    line: list[Published] = []
    while rest:
        name = chance.choice(list(rest))
        sub, event = rest[name].pop(0)
        if not rest[name]:
            del rest[name]
        event = replace(event, position=len(line) + 1)
        told[name].append((sub, event))
        body = json.dumps(job_body(name, sub, event)).encode()
        stored_at = NOON + timedelta(days=1, milliseconds=event.position)
        line.append(Published(f"ev.fab1.job.{token_of(name)}.{event.kind}", body, event.position, stored_at))
    return told, line


def in_batches(line: Sequence[Published], most: int, chance: Random) -> list[Sequence[Published]]:
    """Cut a line into batches."""
    batches, rest = [], list(line)
    while rest:
        size = chance.randint(1, most)
        batches.append(rest[:size])
        rest = rest[size:]
    return batches


@pytest.mark.parametrize(
    "count", [500, pytest.param(10_000, marks=[pytest.mark.faults, pytest.mark.timeout(3_600)])]
)
async def test_jobs_are_what_the_reference_makes_of_their_events(db: Connection, count: int) -> None:
    """Any order of arrival, any ties and clocks, any batches, with and without what was remembered."""
    chance = Random(count)
    told, line = one_line(count, chance)
    folding = Folding(db, JobsProjection())
    await folding.start_over()
    batches = in_batches(line, 60, chance)
    await folding.fold(batches, cold=set(chance.sample(range(len(batches)), len(batches) // 2)))
    assert await folding.rejected() == set()
    await judge_histories(db, told)
    rows = await folding.rows()
    await folding.start_over()
    await folding.fold(in_batches(line, 700, chance), together=True)
    assert await folding.rows() == rows


@pytest.mark.faults
@pytest.mark.timeout(900)
async def test_a_job_of_a_hundred_thousand_events_fed_backwards(db: Connection) -> None:
    """Its begin comes last. It has a hundred attempts: every batch brings begins and ends of earlier ones."""
    count = 100_000
    kinds = {0: ("started", None), 500: ("error", "failed")}
    told = [
        Happened(
            count - number,
            NOON + timedelta(milliseconds=number),
            *kinds.get(number % 1_000, ("progress", None)),
            metrics={"rows": float(number)},
        )
        for number in range(count)
    ]
    line = [
        Published(
            f"ev.fab1.job.J.{event.kind}",
            json.dumps(job_body("J", "", event)).encode(),
            event.position,
            NOON + timedelta(days=1, milliseconds=event.position),
        )
        for event in reversed(told)
    ]
    folding = Folding(db, JobsProjection())
    await folding.start_over()
    began = time.monotonic()
    await folding.fold([line[start : start + 5_000] for start in range(0, count, 5_000)])
    logger.info("%d events of one job, fed backwards: %.1f s", count, time.monotonic() - began)
    document = await JobViews(own="fab1", stall=timedelta(minutes=5)).job(db, "J", "fab1")
    assert document is not None
    expected = job(told)
    assert len(expected["attempt_list"]) == 100
    assert as_json({key: document.job[key] for key in SHOWN}) == as_json(expected)
