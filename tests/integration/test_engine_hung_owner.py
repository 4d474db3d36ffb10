"""Owners that hang, and owners that only make room: whose backend a successor ends."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest
from nats.aio.client import Client

from consumers.engine.leases import Leases, identify
from foldline.settings import Settings
from projections.sessions.fold import VERSION
from runtime.database.connections import Connection, connect
from schemas.subjects import partition_of
from tests.support.engine import engine
from tests.support.line import Line, Model
from tests.support.settings import PARTITIONS
from tests.support.waiting import wait_until


class Replica:
    """One owner of the sessions projection by hand: its leases and its two connections."""

    def __init__(self, owner: str, ttl: float, control: Connection, writer: Connection) -> None:
        self.leases = Leases("sessions", owner, PARTITIONS, ttl, version=VERSION)
        self.control, self.writer = control, writer

    async def refresh(self) -> set[int]:
        """Answers what is beyond its share."""
        return (await self.leases.refresh(self.control, await identify(self.writer))).surplus

    async def is_ended(self) -> bool:
        """Whether its writing backend was terminated."""
        try:
            await self.writer.execute("select 1")
        except psycopg.OperationalError:
            return True
        return False


Join = Callable[[str, float], Coroutine[Any, Any, Replica]]


@pytest.fixture
async def join(settings: Settings) -> AsyncIterator[Join]:
    async with AsyncExitStack() as stack:

        async def made(owner: str, ttl: float) -> Replica:
            control, writer = [
                await stack.enter_async_context(await connect(settings, name=owner)) for _ in range(2)
            ]
            return Replica(owner, ttl, control, writer)

        yield made


async def test_an_owner_that_hangs_before_its_fence_blocks_nobody(
    settings: Settings, nc: Client, db: Connection, join: Join
) -> None:
    """It locks no lease row yet, but its uncommitted rows are those its successor has to write."""
    line, model = Line(nc), Model(db)
    last = await line.created("S1")
    hung = await join("hung", 0.5)
    await hung.refresh()
    assert len(hung.leases.held) == PARTITIONS
    await hung.writer.execute("begin")
    await hung.writer.execute(
        "insert into sessions.session (part, site, id, first_seq, last_seq, created_at, touched_at, crashed, "
        "ever_hung, ever_recovered, events, metrics, timelines_size, state) "
        "values (%s, 'local', 'S1', 1, 1, now(), now(), false, false, false, 0, 0, 0, '{\"hung\": true}')",
        (partition_of("S1", PARTITIONS),),
    )
    async with engine(settings):
        await model.passed("S1", last, timeout=15)
    await model.equals(await line.reference(), "S1")
    assert await hung.is_ended()


async def test_who_makes_room_for_another_is_left_alone(db: Connection, join: Join) -> None:
    first, second = await join("first", 60), await join("second", 60)
    await first.refresh()
    await second.refresh()
    assert not second.leases.held
    surplus = await first.refresh()
    assert len(surplus) == 8
    await first.leases.release(first.control, surplus)
    async with db.transaction():
        # Somebody is just looking at what was released: the one that joins gets less than its share.
        await db.execute(
            "select from foldline.lease where follower = 'sessions' and owner is null for update"
        )
        await second.refresh()
        assert not second.leases.held
    assert not await first.is_ended()
    await second.refresh()
    assert len(second.leases.held) == 8
    assert not await first.is_ended()


async def test_who_hangs_inside_its_fence_is_ended_as_well(db: Connection, join: Join) -> None:
    hung, next_one = await join("hung", 0.2), await join("next", 60)
    await hung.refresh()
    await hung.writer.execute("begin")
    await hung.writer.execute("update foldline.lease set epoch = epoch where follower = 'sessions'")

    async def all_taken() -> bool:
        await next_one.refresh()
        return len(next_one.leases.held) == PARTITIONS

    await wait_until(all_taken)
    assert await hung.is_ended()
