"""Readers among themselves: asking for more, falling silent, and starting while leases move."""

import asyncio
from collections.abc import Mapping

import pytest
from nats.aio.client import Client

from consumers.engine import readers as readers_module
from consumers.engine.buffer import Buffer
from consumers.engine.catchup_subscription import CatchUp
from consumers.engine.leases import Held
from consumers.engine.readers import Readers
from line import pull_consumer
from line.jetstream import request_api
from schemas.sessions.streams import SESSIONS
from schemas.subjects import partition_of
from tests.support.line import Line
from tests.support.settings import PARTITIONS
from tests.support.waiting import wait_until

SILENCE = 0.2
PART = partition_of("S1", PARTITIONS)


async def test_a_reader_that_asks_for_nothing_is_not_silent(
    nc: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch may take longer than the server may be silent, with the buffer full all the while."""
    monkeypatch.setattr(pull_consumer, "_SILENCE", SILENCE)
    line, loop = Line(nc), asyncio.get_running_loop()
    expected = [await line.put("event", "S1", {"name": "n"}) for _ in range(12)]
    buffer = Buffer(max_events=5, max_bytes=1 << 20)
    reader = CatchUp(nc, buffer, stream=SESSIONS.name, checkpoints={PART: 0}, sharing=1)
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
    readers = Readers("test", nc, buffer, (SESSIONS,), PARTITIONS)
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


async def test_one_reader_for_everything_until_some_of_it_is_given_up(nc: Client) -> None:
    line, parts = Line(nc), range(PARTITIONS)
    stored = {n: await line.put("event", f"S{n}", {"name": "n"}) for n in range(40)}
    first, last = min(stored.values()), max(stored.values())
    middle = (first + last) // 2
    of = {sequence: partition_of(f"S{n}", PARTITIONS) for n, sequence in stored.items()}
    buffer = Buffer(max_events=1000, max_bytes=1 << 20)
    readers = Readers("test", nc, buffer, (SESSIONS,), len(parts))

    def unread(after: Mapping[int, int]) -> list[int]:
        return sorted(sequence for sequence, part in of.items() if part in after and sequence > after[part])

    async def reads(after: Mapping[int, int], consumers: int) -> None:
        """Each event once, in the order of its partition."""
        before = await _consumers(nc)
        await readers.open_missing({part: Held(1, {SESSIONS.name: after[part]}) for part in after})
        assert len(await _consumers(nc) - before) == consumers
        await wait_until(lambda: len(buffer) == len(unread(after)))
        events = buffer.take(1000)
        assert sorted(event.sequence for event in events) == unread(after)
        for part in after:
            mine = [event.sequence for event in events if event.partition == part]
            assert mine == sorted(mine)
            assert all(of[sequence] == part for sequence in mine)

    # Checkpoints differ: what is behind a partition's own is passed over.
    await reads({part: first - 1 if part % 2 else middle for part in parts}, consumers=1)
    readers.give_up("the lease moved", {3})
    kept = {part: middle for part in parts if part != 3}
    await readers.close_unwanted(kept)
    await reads(kept, consumers=15)
    await readers.close()


async def test_a_partition_far_behind_does_not_have_all_others_read_again(
    nc: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers_module, "_NEAR", 10)
    line = Line(nc)
    last = [await line.put("event", "S1", {"name": "n"}) for _ in range(12)][-1]
    buffer = Buffer(max_events=1000, max_bytes=1 << 20)
    readers = Readers("test", nc, buffer, (SESSIONS,), PARTITIONS)
    before = await _consumers(nc)
    after = {part: last - 11 * (part == PART) for part in range(PARTITIONS)}
    await readers.open_missing({part: Held(1, {SESSIONS.name: after[part]}) for part in after})
    assert len(await _consumers(nc) - before) == PARTITIONS
    await wait_until(lambda: len(buffer) == 11)
    await readers.close()


async def _consumers(nc: Client) -> set[str]:
    return set((await request_api(nc, f"CONSUMER.NAMES.{SESSIONS.name}"))["consumers"] or ())
