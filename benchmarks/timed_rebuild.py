"""A rebuild as an operator runs it, with the memory and processor time of its worker processes."""

import asyncio
import os
from contextlib import suppress
from typing import Any

import psutil

from benchmarks.meter import Meter
from consumers.control.rebuild import rebuild
from line.connection import close_bus, connect_bus
from projections.catalogue import projection_named
from runtime.settings.processes import UpSettings

_POLL_S = 0.25


async def timed_rebuild(config: UpSettings) -> dict[str, Any]:
    """Rebuild `sessions`; returns seconds, cost, `rss` and `busy`.

    `rss`: the largest resident memory of a worker, MB. `busy`: the part of all processors' time not idle.
    """
    nc = await connect_bus(config, name="bench-rebuild")
    watching = asyncio.create_task(_watch_memory())
    before, meter = psutil.cpu_times(), Meter(os.getppid())
    done = await rebuild(projection_named("sessions"), config, nc)
    spent, after = meter.read(), psutil.cpu_times()
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    await close_bus(nc)
    idle = (after.idle - before.idle) / (spent.seconds * psutil.cpu_count())
    told = {"seconds": spent.seconds, "rss": _largest[0], "busy": 1 - idle}
    return told | spent.over(done.total)


_largest = [0.0]


async def _watch_memory() -> None:
    while True:
        for child in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):
                _largest[0] = max(_largest[0], child.memory_info().rss / 2**20)
        await asyncio.sleep(_POLL_S)
