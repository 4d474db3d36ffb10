"""The size of a sidecar: its time for one event, and its memory."""

import json
from itertools import count
from statistics import median
from typing import Final

import psutil

from benchmarks import job_events, wrk
from benchmarks.figures import Figures
from benchmarks.sizes import Sizes
from benchmarks.status_line import ShowStatus
from benchmarks.turn import Turn
from benchmarks.undisturbed import measure_turns
from foldline.settings import port_of
from foldline.surfaces import SIDECAR
from runtime.settings.processes import UpSettings

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


async def measure_sidecar(
    config: UpSettings, pid: int, sizes: Sizes, figures: Figures, show_status: ShowStatus
) -> None:
    """Measure requests of one event over one connection, each with its own key; then the process's memory."""
    if wrk.is_installed():
        show_status("single events through the sidecar")
        url = f"http://127.0.0.1:{port_of(config, SIDECAR)}/v1/ingest/events"
        turns = count()

        async def once() -> wrk.WrkRun:
            name = f"single{next(turns)}"
            before, key, behind = next(job_events.bodies(name, 1)).decode().partition(f"{name}-0-0")
            script = _EVENT % (json.dumps(before + key + "-"), json.dumps(behind))
            run = await wrk.run_wrk(url, connections=1, seconds=sizes.listed_s, script=script)
            if run.bad or not run.rate:
                raise RuntimeError(f"single events: {run.bad} failed, {run.rate:.1f} a second were accepted")
            return run

        found = await measure_turns(once, sizes.turns, sizes.tries, show_status)
        note = f"p99 {median(run.p99 for run in found):.2f} ms, {median(run.rate for run in found):,.0f}/s"
        p50 = [run.turn(run.p50) for run in found]
        figures.add("sidecar, one event: p50", p50, "ms", most=_MOST_MS, note=note)
    memory = psutil.Process(pid).memory_info().rss / 2**20
    figures.add("sidecar: memory", [Turn(memory)], "MB", most=_MOST_MB)
