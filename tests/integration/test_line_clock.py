"""The clock of the line: facts are admitted by the time of the server that will store them."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from nats.aio.client import Client

from foldline.settings import Settings
from line.line_clock import LineClock
from producers.job_admission import admit_job_event
from schemas.jobs.streams import JOBS
from schemas.times import format_time
from schemas.validation import InvalidFact
from tests.support.jobs import job_event

CLOSE = timedelta(seconds=1)


@pytest.mark.parametrize("minutes", [-100_000, -11, 0, 10, 11, 100_000])
async def test_a_host_with_any_clock_knows_the_time(settings: Settings, nc: Client, minutes: int) -> None:
    """What passes at a door on such a host is what the fold takes."""
    wrong = timedelta(minutes=minutes)
    clock = LineClock(lambda: nc, JOBS.name, own=lambda: datetime.now(UTC) + wrong)
    await clock.ask()
    assert abs(clock.now() - datetime.now(UTC)) < CLOSE
    for ahead, fits in ((-1_000_000, True), (590, True), (610, False)):
        at = format_time(datetime.now(UTC) + timedelta(seconds=ahead))
        body = json.dumps(job_event("J1", at=at)).encode()
        admit = partial(admit_job_event, body, site="fab1", max_skew=timedelta(seconds=600))
        if fits:
            admit(now=clock.now())
        else:
            with pytest.raises(InvalidFact, match="skew"):
                admit(now=clock.now())


async def test_without_an_answer_the_last_difference_holds(settings: Settings, nc: Client) -> None:
    wrong = timedelta(hours=1)
    there: list[Client | None] = [None]
    clock = LineClock(lambda: there[0], JOBS.name, own=lambda: datetime.now(UTC) + wrong)
    async with clock.run():
        assert abs(clock.now() - datetime.now(UTC) - wrong) < CLOSE
        there[0] = nc
        await clock.ask()
        there[0] = None
        await clock.ask()
        assert abs(clock.now() - datetime.now(UTC)) < CLOSE


async def test_a_small_difference_is_none(settings: Settings, nc: Client) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=0.5)
    clock = LineClock(lambda: nc, JOBS.name, own=lambda: moment)
    await clock.ask()
    assert clock.now() == moment
