"""A stream followed whatever happens: tries that fail leave nothing behind."""

import asyncio
import json
from contextlib import aclosing

from foldline.embedded.nats import NatsServer
from line.connection import close_bus, connect_bus
from line.live_tail import tail_stream
from line.pull_consumer import start_after
from line.streams import prepare_line
from tests.support.jobs import job_event
from tests.support.settings import line_settings
from tests.support.waiting import wait_until


async def test_tries_that_fail_leave_nothing_behind(own_nats: NatsServer) -> None:
    """There is no stream yet, then the server goes away and comes back."""
    settings = line_settings(own_nats, "", database_url=None)
    reading = await connect_bus(settings, name="test-reading", publisher=True)
    nc = await connect_bus(settings, name="test")
    seen: list[int] = []

    async def read() -> None:
        async with aclosing(tail_stream(reading, "JOBS", start_after(0))) as coming:
            async for events in coming:
                seen.extend(event.sequence for event in events)

    async def publish() -> None:
        await nc.jetstream().publish("ev.fab1.job.J1.started", json.dumps(job_event("J1")).encode())

    task = asyncio.create_task(read())
    try:
        await wait_until(lambda: reading._sid >= 5, what="some tries")
        await prepare_line(nc, settings)
        await publish()
        await wait_until(lambda: seen == [1])
        own_nats.kill()
        await wait_until(lambda: not reading.is_connected)
        await asyncio.to_thread(own_nats.start)
        await wait_until(lambda: nc.is_connected)
        await publish()
        await wait_until(lambda: seen == [1, 2])
        assert len(reading.sinks) == 1
        assert len(reading._subs) == 2  # that of the answers to requests is the other one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert (len(reading.sinks), len(reading._subs)) == (0, 1)
    await close_bus(reading)
    await close_bus(nc)
