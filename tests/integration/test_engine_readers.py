"""Readers among themselves: asking for more, falling silent, and starting while leases move."""

import asyncio

import pytest
from nats.aio.client import Client

import consumers.catchup
from consumers.buffer import Buffer
from consumers.catchup import CatchUp
from consumers.leases import Held
from consumers.readers import Readers
from schemas.streams import SESSIONS
from schemas.subjects import partition_of
from tests.line import Line
from tests.waiting import wait_until

SILENCE = 0.2
PART = partition_of("S1", 16)


async def test_a_reader_that_asks_for_nothing_is_not_silent(
    nc: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch may take longer than the server may be silent, with the buffer full all the while."""
    monkeypatch.setattr(consumers.catchup, "_SILENCE", SILENCE)
    line, loop = Line(nc), asyncio.get_running_loop()
    expected = [await line.put("event", "S1", {"name": "n"}) for _ in range(12)]
    buffer = Buffer(max_events=5, max_bytes=1 << 20)
    reader = CatchUp(nc, buffer, stream=SESSIONS.name, partition=PART, checkpoint=0, sharing=1)
    await reader.open()
    read = []
    for _ in range(2):
        await wait_until(lambda: len(buffer) == buffer.max_events)
        full = loop.time()
        await wait_until(lambda full=full: loop.time() > full + 2 * SILENCE, what="the bound has passed")
        reader.check()
        assert reader.broken is None
        read += [event.sequence for event in buffer.take(5)]
        await reader.ask()
        reader.check()
        assert reader.broken is None  # what was asked for just now cannot be overdue
    await wait_until(lambda: len(buffer) == 2)
    read += [event.sequence for event in buffer.take(5)]
    assert read == expected

    def noticed() -> bool:
        reader.check()
        return reader.broken == "the server is silent"

    await wait_until(noticed)  # its own heartbeat is 2 s away: for this bound that is silence
    await reader.close()


async def test_a_lease_that_moves_reaches_readers_that_are_still_opening(nc: Client) -> None:
    """Otherwise one would read on from the checkpoint of the lease before, past what another folded."""
    buffer = Buffer(max_events=100, max_bytes=1 << 20)
    readers = Readers("test", nc, buffer, (SESSIONS,))
    opening = asyncio.create_task(readers.open_missing({PART: Held(5, {SESSIONS.name: 10})}))
    await asyncio.sleep(0)  # it runs up to its first await
    assert not opening.done()
    readers.give_up("the lease moved", {PART})
    await opening
    await readers.close_unwanted({PART})
    assert readers.missing({PART}) == [(SESSIONS.name, PART)]
    line = Line(nc)
    sequence = await line.put("event", "S1", {"name": "n"})
    await readers.open_missing({PART: Held(7, {SESSIONS.name: sequence - 1})})
    await asyncio.wait_for(buffer.wait(), 10)
    assert [event.sequence for event in buffer.take(10)] == [sequence]
    await readers.close()
