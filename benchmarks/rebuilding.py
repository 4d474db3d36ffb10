"""A rebuild as an operator runs it, and what its worker processes take of memory and processors."""

import asyncio
import os
from contextlib import suppress
from typing import Any

import psutil

from benchmarks.meter import Meter
from consumers.control.rebuild import rebuild
from line.connection import close_bus, connect_bus
from projections.catalogue import projection_named
from runtime.settings import Settings

_LOOK_S = 0.25


async def rebuilt(config: Settings) -> dict[str, Any]:
    """Rebuild `sessions`: seconds, cost, largest resident memory of a worker (MB), share of all cores."""
    nc = await connect_bus(config, name="bench-rebuild")
    watching = asyncio.create_task(_watch())
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


async def _watch() -> None:
    while True:
        for child in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):
                _largest[0] = max(_largest[0], child.memory_info().rss / 2**20)
        await asyncio.sleep(_LOOK_S)
