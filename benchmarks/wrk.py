"""wrk, the HTTP load generator."""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.meter import Meter
from benchmarks.turn import Turn

MISSING: Final = "not measured: the program wrk is missing (apt install wrk, brew install wrk)"
_TELL: Final = """
function done(summary, latency, requests)
    local bad = summary.errors.connect + summary.errors.read + summary.errors.write
        + summary.errors.status + summary.errors.timeout
    io.stdout:write(string.format(
        '\\n{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "bad": %d}\\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), bad))
end
"""


@dataclass(frozen=True, slots=True)
class WrkRun:
    """The result of a run. Latencies in milliseconds; `bad`: connection errors and answers from 400 on."""

    rate: float
    p50: float
    p99: float
    bad: int
    requests: int
    cpu_seconds: float

    def turn(self, value: float) -> Turn:
        """Make a turn of one of these numbers, with the cost of the run."""
        return Turn(value, self.cpu_seconds, self.requests)


def is_installed() -> bool:
    """Whether wrk is installed."""
    return shutil.which("wrk") is not None


async def run_wrk(
    url: str,
    *,
    connections: int,
    seconds: float,
    script: str = "",
    settled: Callable[[], Awaitable[None]] | None = None,
) -> WrkRun:
    """Send requests to `url` over `connections` connections from one thread. `script`: Lua that makes them.

    `settled` waits for work that goes on after all is answered: it is part of the cost.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "script.lua"
        await asyncio.to_thread(file.write_text, script + _TELL)
        meter = Meter(os.getpid())
        process = await asyncio.create_subprocess_exec(
            "wrk",
            *("--threads", "1", "--connections", str(connections)),
            *("--duration", f"{max(1, round(seconds))}s", "--timeout", "10s", "--script", str(file), url),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
    if settled is not None:
        await settled()
    spent = meter.read()
    found = json.loads(output.splitlines()[-1])
    return WrkRun(
        rate=found["requests"] / found["microseconds"] * 1e6,
        p50=found["p50"] / 1e3,
        p99=found["p99"] / 1e3,
        bad=found["bad"],
        requests=found["requests"],
        cpu_seconds=spent.cpu_seconds,
    )
