"""A sidecar is small: what it takes for one event, and how much memory it holds."""

import json
from typing import Final

import psutil

from benchmarks import job_events, wrk
from benchmarks.figures import Figures
from benchmarks.say import Say
from benchmarks.sizes import Sizes
from runtime.settings import Settings

_MOST_MS: Final = 1
_MOST_MB: Final = 80
_EVENT: Final = """
wrk.headers["Content-Type"] = "application/json"
local number = 0
local before, behind = %s, %s
function request()
    number = number + 1
    return wrk.format("POST", nil, nil, before .. number .. behind)
end
"""


async def small(config: Settings, pid: int, sizes: Sizes, figures: Figures, say: Say) -> None:
    """One event a request over one connection, each with a key of its own; then the memory of the process."""
    if wrk.available():
        say("single events through the sidecar")
        event = next(job_events.bodies("single", 1)).decode()
        before, key, behind = event.partition("single-0-0")
        script = _EVENT % (json.dumps(before + key + "-"), json.dumps(behind))
        url = f"http://127.0.0.1:{config.sidecar_port}/v1/ingest/events"
        found = await wrk.load(url, connections=1, seconds=sizes.listed_s, script=script)
        if found.bad or not found.rate:
            raise RuntimeError(f"single events: {found.bad} failed, {found.rate:.1f} were taken a second")
        note = f"p99 {found.p99:.2f} ms, {found.rate:,.0f}/s"
        figures.add("sidecar, one event: p50", found.p50, "ms", most=_MOST_MS, note=note)
    memory = psutil.Process(pid).memory_info().rss / 2**20
    figures.add("sidecar: memory", memory, "MB", most=_MOST_MB)
