"""Consumers under a steady load of mixed facts, for as long as a test does something to them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from foldline.settings import Settings
from line.connection import close_bus, connect_bus
from line.streams import prepare_line
from producers.publishing.publisher import Publisher
from tests.faults.judge import judge
from tests.faults.workload import Record, publish_in_bulk, script
from tests.support.processes import Processes, ProcessUnderTest
from tests.support.waiting import wait_until

_PAUSE = 0.02


@dataclass
class Load:
    """A load that runs, with its consumers; `settings` are theirs."""

    settings: Settings
    processes: Processes
    consumers: list[ProcessUnderTest] = field(default_factory=list)
    record: Record = field(default_factory=Record)
    over: bool = False

    def consumer(self) -> ProcessUnderTest:
        """Start another consumer."""
        started = self.processes.consumer(self.settings)
        self.consumers.append(started)
        return started

    def consumer_of(self, pid: int) -> ProcessUnderTest:
        """Return the consumer with that pid."""
        (found,) = (one for one in self.consumers if one.pid == pid)
        return found

    async def published(self, more: int) -> None:
        """Wait until so many more facts were acknowledged."""
        enough = len(self.record.acked) + more
        await wait_until(lambda: len(self.record.acked) >= enough, 120, what=f"{more} more facts")


@asynccontextmanager
async def under_load(
    settings: Settings,
    processes: Processes,
    *,
    consumers: int,
    sessions: int = 40,
    most: int = 200_000,
    producing: Settings | None = None,
) -> AsyncIterator[Load]:
    """Publish until the block ends, at most `most` facts; then everything is judged.

    `producing`: other settings for the producer than for the consumers.
    """
    load = Load(settings, processes)
    outside = producing or settings
    nc = await connect_bus(outside, name="test-producer", publisher=True)
    await prepare_line(nc, outside)
    for _ in range(consumers):
        load.consumer()
    for consumer in load.consumers:
        await asyncio.to_thread(consumer.wait_for, "follows the line", 60)
    publisher = Publisher(nc, partitions=settings.partitions, timeout=3)
    facts = script(sessions, most, seed=7)
    task = asyncio.create_task(
        publish_in_bulk(publisher, facts, load.record, lambda: _PAUSE, lambda: load.over)
    )
    try:
        await load.published(100)
        yield load
        assert not task.done(), "the load ended before the test"
    finally:
        load.over = True
        await task
        await publisher.aclose()
        await close_bus(nc)
    await judge(settings, load.record)
    for consumer in load.consumers:
        if consumer.running:
            assert consumer.stop() == 0
