"""Waiting for a read model: announcements are hints, PostgreSQL knows."""

import asyncio
import itertools
import time

import pytest
from nats.aio.client import Client

from foldline.settings import Settings
from line.progress import Progress, announce, announce_anew
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
            await announce(nc, follower, {0: {"SESSIONS": sequence}})
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


async def test_what_was_rejected_is_told_however_the_progress_was_heard_of(
    settings: Settings, nc: Client, db: Connection
) -> None:
    """Announcements are believed only as far as the read model confirms them."""
    places = [Position("SESSIONS", 1, sequence) for sequence in (3, 5, 6, 7)]
    await db.execute(
        "insert into sessions.rejected (part, stream, seq, subject, reason, details, stored_at)"
        " select 1, 'SESSIONS', seq, 'ev.1.x', 'key_reused', 'why ' || seq, now()"
        " from unnest(array[3, 5, 7]) seq"
    )
    async with pool(settings, name="test-progress") as readers:
        progress = Progress(nc, readers)
        await progress.start()

        async def told() -> dict[int, str]:
            found = await progress.rejections("sessions", places)
            return {place.sequence: problem.details for place, problem in found.items()}

        async def announced(sequence: int, rejected: list[int]) -> None:
            await announce(nc, "sessions", {1: {"SESSIONS": sequence}}, {"SESSIONS": rejected})
            await wait_until(lambda: progress.has_passed("sessions", [Position("SESSIONS", 1, sequence)]))

        assert await told() == {}
        await announced(4, [])
        assert await told() == {3: "why 3"}, "what was announced before nobody heard"
        await announced(6, [5, 6])
        assert await told() == {3: "why 3", 5: "why 5"}
        await db.execute("update foldline.lease set seqs = '{\"SESSIONS\": 7}' where follower = 'sessions'")
        assert await progress.wait("sessions", [places[-1]], 10)
        assert await told() == {3: "why 3", 5: "why 5", 7: "why 7"}
        await announce_anew(nc, "sessions")
        await wait_until(lambda: not progress.has_passed("sessions", [places[0]]))
        assert await told() == {}
