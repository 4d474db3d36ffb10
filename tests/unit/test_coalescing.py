"""Reads of single sessions that go together: who waits for whom, and who does not."""

import asyncio
from collections.abc import Sequence

import pytest

from api.reading.coalescing import CoalescedReads
from projections.sessions.documents import ServedSession, SessionRef
from tests.support.waiting import wait_until


class Database:
    """Answers when it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.queries: list[list[str]] = []
        self.open = asyncio.Event()
        self.broken = False

    async def ask(self, asked: Sequence[SessionRef]) -> list[ServedSession]:
        self.queries.append([session for session, _ in asked])
        await self.open.wait()
        if self.broken:
            raise OSError("away")
        return [ServedSession(sites=["local"], position=None, document=session) for session, _ in asked]


def reading(reads: CoalescedReads, *sessions: str) -> list[asyncio.Task[ServedSession]]:
    return [asyncio.create_task(reads.read((session, None))) for session in sessions]


async def bodies(reads: list[asyncio.Task[ServedSession]]) -> list[str | None]:
    return [found.document for found in await asyncio.gather(*reads)]


async def test_what_waits_for_a_query_is_the_next_one() -> None:
    database = Database()
    coalesced = CoalescedReads(database.ask, queries=1)
    reads = reading(coalesced, "a")
    await wait_until(lambda: database.queries)
    reads += reading(coalesced, "b", "c", "b")
    await asyncio.sleep(0)
    database.open.set()
    assert await bodies(reads) == ["a", "b", "c", "b"]
    assert database.queries == [["a"], ["b", "c"]]


async def test_nobody_waits_while_a_query_is_free() -> None:
    database = Database()
    coalesced = CoalescedReads(database.ask, queries=2)
    reads = reading(coalesced, "a")
    await wait_until(lambda: len(database.queries) == 1)
    reads += reading(coalesced, "b")
    await wait_until(lambda: len(database.queries) == 2)
    database.open.set()
    assert await bodies(reads) == ["a", "b"]


async def test_a_query_has_a_bound() -> None:
    database = Database()
    coalesced = CoalescedReads(database.ask, queries=1)
    reads = reading(coalesced, *(f"s{number}" for number in range(80)))
    await wait_until(lambda: database.queries)
    database.open.set()
    assert await bodies(reads) == [f"s{number}" for number in range(80)]
    assert [len(sessions) for sessions in database.queries] == [1, 32, 32, 15]


async def test_an_error_reaches_everybody_and_the_next_read_works() -> None:
    database = Database()
    coalesced = CoalescedReads(database.ask, queries=1)
    reads = reading(coalesced, "a", "b", "c")
    database.broken = True
    database.open.set()
    for read in reads:
        with pytest.raises(OSError, match="away"):
            await read
    database.broken = False
    assert await bodies(reading(coalesced, "d")) == ["d"]


async def test_who_leaves_is_no_trouble_for_the_others() -> None:
    database = Database()
    coalesced = CoalescedReads(database.ask, queries=1)
    first, second, third = reading(coalesced, "a", "b", "b")
    await wait_until(lambda: database.queries)
    first.cancel()
    second.cancel()
    await asyncio.sleep(0)
    database.open.set()
    assert (await third).document == "b"
