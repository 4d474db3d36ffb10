"""Visibility: the time from `publish` to the answer of a query that shows the event."""

import asyncio
import json
import os
import time
from datetime import UTC, datetime
from typing import Any

from benchmarks.http_connection import HttpConnection
from benchmarks.meter import Meter
from foldline.settings import port_of
from foldline.surfaces import API
from line.connection import close_bus, connect_bus
from producers.admission import admit_fact
from producers.publishing.publisher import Publisher
from runtime.settings.processes import UpSettings
from schemas.subjects import Subject

_READERS = 4
_READ_PER_S = 200  # queries a second: at higher rates only some of the events are looked for


async def measure_visibility(config: UpSettings, *, rate: int, seconds: float) -> dict[str, Any]:
    """Publish `rate` events a second one by one; returns the milliseconds until a GET shows them.

    Up to 200 events a second are looked for. The GET names the position of its event and is sent as soon as
    that is acknowledged.
    """
    nc = await connect_bus(config, name="bench-seen", publisher=True)
    publisher = Publisher(nc, partitions=config.partitions, timeout=30)
    http = [await HttpConnection.open(port_of(config, API)) for _ in range(_READERS * 8)]
    free: asyncio.Queue[HttpConnection] = asyncio.Queue()
    for client in http:
        free.put_nowait(client)
    loop = asyncio.get_running_loop()
    waits: list[float] = []
    every = max(1, rate // _READ_PER_S)

    async def one(number: int) -> None:
        began = time.perf_counter()  # the loop's own clock counts whole milliseconds
        session = f"seen-{number % (rate * 10)}"
        body = json.dumps({"name": f"e{number}"}).encode()
        subject = Subject(config.site, "session", session, "event")
        ack = await publisher.publish(admit_fact(subject, body, now=datetime.now(UTC)))
        if number % every == 0:
            client = await free.get()
            status = await client.get(f"/api/sessions/{session}", str(ack.position))
            free.put_nowait(client)
            if status != 200:
                raise RuntimeError(f"the query answered {status}")
            waits.append((time.perf_counter() - began) * 1e3)

    meter, count = Meter(os.getppid()), round(rate * seconds)
    began, tasks = loop.time(), []
    for number in range(count):
        if (wait := began + number / rate - loop.time()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(one(number)))
    await asyncio.gather(*tasks)
    spent = meter.read()
    for client in http:
        client.close()
    await publisher.aclose()
    await close_bus(nc)
    waits.sort()
    return {
        "p50": waits[len(waits) // 2],
        "p99": waits[int(len(waits) * 0.99)],
        "max": waits[-1],
        "looked_for": len(waits),
        **spent.over(count),
    }
