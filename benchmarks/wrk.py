"""wrk, the HTTP load generator: how it is called, and its answer read."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.say import Say
from benchmarks.undisturbed import undisturbed

MISSING: Final = "needs the program wrk: apt install wrk, brew install wrk"
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
class Load:
    """What a run found. Latencies in milliseconds; `bad`: connection errors and answers from 400 on."""

    rate: float
    p50: float
    p99: float
    bad: int


def available() -> bool:
    """Whether wrk is installed."""
    return shutil.which("wrk") is not None


async def turns(
    url: str, number: int, say: Say, *, connections: int, seconds: float, script: str = ""
) -> list[Load]:
    """`load` so many times, all of them together for so many seconds."""

    def once() -> Awaitable[Load]:
        return load(url, connections=connections, seconds=seconds / number, script=script)

    return [await undisturbed(once, number, say) for _ in range(number)]


async def load(url: str, *, connections: int, seconds: float, script: str = "") -> Load:
    """Ask `url` from `connections` connections of one thread. `script`: Lua that makes the requests."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "script.lua"
        await asyncio.to_thread(file.write_text, script + _TELL)
        process = await asyncio.create_subprocess_exec(
            "wrk",
            *("--threads", "1", "--connections", str(connections)),
            *("--duration", f"{max(1, round(seconds))}s", "--timeout", "10s", "--script", str(file), url),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
    found = json.loads(output.splitlines()[-1])
    return Load(
        rate=found["requests"] / found["microseconds"] * 1e6,
        p50=found["p50"] / 1e3,
        p99=found["p99"] / 1e3,
        bad=found["bad"],
    )
