"""What leaves the line by its age: carried over, and no difference to a verification."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from nats.aio.client import Client

from consumers.control.rebuild import rebuild
from consumers.control.verify import verify
from foldline.settings import Settings
from line.aging import read_aging
from line.jetstream import request_api
from line.messages import message_at
from projections.catalogue import projection_named
from runtime.database.connections import Connection
from schemas.jobs.streams import JOBS as STREAM
from schemas.sessions.streams import SESSIONS
from tests.support.engine import engine
from tests.support.jobs import job_event
from tests.support.waiting import wait_until

JOBS: Final = projection_named("jobs")
LAST: Final = 12


@pytest.fixture
async def folded(settings: Settings, nc: Client, db: Connection) -> AsyncIterator[None]:
    """Twelve events of six jobs, every third one no event at all; all are folded, and consumers go on."""
    js = nc.jetstream(timeout=10)
    async with engine(settings):
        for number in range(LAST):
            body = json.dumps(job_event(f"J{number % 6}", "progress", site=None, key=f"k{number}")).encode()
            await js.publish(
                f"ev.local.job.J{number % 6}.progress",
                b"{" if number % 3 == 0 else body,
                headers={"Nats-Msg-Id": f"id-{number}"},
            )

        async def is_folded() -> bool:
            row = await (
                await db.execute(
                    "select max((seqs->>'JOBS')::bigint) from foldline.lease where follower = 'jobs'"
                )
            ).fetchone()
            return row == (LAST,)

        await wait_until(is_folded)
        yield


async def rejected(db: Connection) -> list[Any]:
    return await (await db.execute("select * from jobs.rejected order by seq")).fetchall()


@pytest.mark.usefixtures("folded")
@pytest.mark.parametrize("upto", [2, 7, LAST + 1], ids=["few", "half", "all"])
async def test_a_rebuild_keeps_what_was_rejected_and_verify_is_clean(
    settings: Settings, nc: Client, db: Connection, upto: int
) -> None:
    before = await rejected(db)
    assert [row[2] for row in before] == [1, 4, 7, 10]
    await request_api(nc, f"STREAM.PURGE.{STREAM.name}", {"seq": upto})
    assert (await verify(JOBS, settings, nc)).differences == []
    await rebuild(JOBS, settings, nc)
    assert await rejected(db) == before
    assert (await verify(JOBS, settings, nc)).differences == []
    await rebuild(JOBS, settings, nc)
    assert await rejected(db) == before


@pytest.mark.usefixtures("folded")
async def test_a_line_that_was_quiet_for_months_verifies(
    settings: Settings, nc: Client, db: Connection
) -> None:
    """Message ids of its last week are remembered, and all of its events have left it by their age."""
    await request_api(nc, f"STREAM.PURGE.{STREAM.name}", {})
    await db.execute("update jobs.message_id set stored_at = stored_at - interval '91 days'")
    await db.execute("update foldline.lease set stored_at = stored_at - interval '91 days'")
    found = await verify(JOBS, settings, nc)
    assert (found.differences, found.carried) == ([], 4)


@pytest.mark.usefixtures("folded")
async def test_what_may_leave_the_line_within_a_day_is_carried_over(nc: Client) -> None:
    places = {}
    for sequence in range(1, LAST + 1):
        message = await message_at(nc, STREAM.name, sequence)
        assert message is not None
        places[sequence] = message.stored_at
    kept = timedelta(days=STREAM.days - 1)
    for sequence, stored_at in places.items():
        aging = await read_aging(nc, [SESSIONS, STREAM], now=stored_at + kept)
        assert (aging.first, aging.carried) == ({STREAM.name: 1}, {STREAM.name: sequence})
        assert aging.since == stored_at
    later = await read_aging(nc, [STREAM], now=places[LAST] + kept + timedelta(seconds=1))
    assert later.carried == {STREAM.name: LAST + 1}
    await request_api(nc, f"STREAM.PURGE.{STREAM.name}", {"seq": 5})
    now = await read_aging(nc, [STREAM], now=datetime.now(UTC))
    assert (now.first, now.carried) == ({STREAM.name: 5}, {STREAM.name: 5})
    assert (await read_aging(nc, [SESSIONS])).since is None
