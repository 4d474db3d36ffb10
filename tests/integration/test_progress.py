"""Waiting for a read model: announcements are hints, PostgreSQL knows."""

import asyncio
import itertools
import time

import pytest
from nats.aio.client import Client

from foldline.settings import Settings
from line.progress import Progress, announce
from runtime.database.connections import Connection, pool
from schemas.positions import Position
from tests.support.waiting import wait_until

REACHED = Position("SESSIONS", 1, 5)


@pytest.mark.parametrize("follower", ["sessions", "liveness"])
async def test_a_missed_announcement_is_made_up_for_while_others_arrive(
    settings: Settings, nc: Client, db: Connection, follower: str
) -> None:
    await db.execute(
        "update foldline.lease set seqs = '{\"SESSIONS\": 5}' where follower = %s and part = 1", (follower,)
    )

    async def busy() -> None:
        for sequence in itertools.count(1):
            await announce(nc, follower, {0: {"SESSIONS": sequence}}, {"SESSIONS": []})
            await asyncio.sleep(0.005)

    async with pool(settings, name="test-progress") as readers:
        progress = Progress(nc, readers)
        await progress.start()
        talking = asyncio.create_task(busy())
        await wait_until(lambda: progress.has_passed(follower, [Position("SESSIONS", 0, 3)]))
        started = time.monotonic()
        assert await progress.wait(follower, [REACHED], 10)
        assert time.monotonic() - started < 2
        assert not await progress.wait(follower, [Position("SESSIONS", 1, 6)], 0.2)
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
