"""Jobs: batches through the API and through a sidecar until they can be read, and lists of many jobs."""

import asyncio
from collections.abc import Awaitable
from functools import partial
from itertools import count
from statistics import median
from typing import Any, Final

from benchmarks import job_ingest, job_queries, wrk
from benchmarks.child_processes import run_in_child, running_program
from benchmarks.figures import Figures
from benchmarks.http_runs import wait_for_ok
from benchmarks.live_load import CONSUMER
from benchmarks.servers import servers
from benchmarks.sidecar import measure_sidecar
from benchmarks.sizes import Sizes
from benchmarks.status_line import ShowStatus
from benchmarks.turn import Turn
from benchmarks.undisturbed import measure_turns
from foldline.settings import port_of
from foldline.surfaces import JOBS, SIDECAR
from runtime.settings.processes import UpSettings

_LEAST: Final = 8_000  # events/s
_MOST: Final = 30  # ms


async def jobs(sizes: Sizes, figures: Figures, show_status: ShowStatus) -> None:
    """Jobs: batches in, lists out"""
    async with servers() as config:
        async with running_program(config, *CONSUMER):
            async with running_program(config, "-m", "foldline", "api"):
                show_status("batches through the api")
                await _batches(config, "api", sizes, figures, show_status)
            async with running_program(config, "-m", "foldline", "sidecar") as sidecar:
                show_status("batches through the sidecar")
                await _batches(config, "sidecar", sizes, figures, show_status)
                await measure_sidecar(config, sidecar.pid, sizes, figures, show_status)
        if wrk.is_installed():
            await _lists(config, sizes, figures, show_status)
        else:
            show_status(wrk.MISSING)


async def _batches(
    config: UpSettings, program: str, sizes: Sizes, figures: Figures, show_status: ShowStatus
) -> None:
    port = port_of(config, JOBS) if program == "api" else port_of(config, SIDECAR)
    await wait_for_ok(f"http://127.0.0.1:{port}/v1/healthz")
    names = (f"{program}{number}-" for number in count())

    def once() -> Awaitable[dict[str, Any]]:
        return run_in_child(job_ingest.ingest_jobs, config, port=port, name=next(names), count=sizes.ingested)

    found = await measure_turns(once, sizes.turns, sizes.tries, show_status)
    note = f"accepted at {median(run['accepted'] for run in found):,.0f}/s"
    turns = [Turn.of(run) for run in found]
    figures.add(f"batches of jobs, {program}", turns, "events/s", least=_LEAST, note=note)


async def _lists(config: UpSettings, sizes: Sizes, figures: Figures, show_status: ShowStatus) -> None:
    url = f"http://127.0.0.1:{port_of(config, JOBS)}"
    show_status(f"{sizes.jobs:,} jobs are stored")
    await job_queries.store_jobs(config, sizes.jobs)
    async with running_program(config, "-m", "foldline", "api"):
        await wait_for_ok(f"{url}/v1/healthz")
        questions = await asyncio.to_thread(lambda: list(job_queries.list_queries(url, sizes.jobs)))
        if not sizes.thorough:  # all of them in one short run
            questions = [("every kind", [path for _, paths in questions for path in paths])]
        for what, paths in questions:
            show_status(f"lists by {what}")
            script = job_queries.lua_script(paths)
            once = partial(wrk.run_wrk, url, connections=1, seconds=sizes.listed_s, script=script)
            found = await measure_turns(once, sizes.turns, sizes.tries, show_status)
            for run in found:
                if run.bad or not run.rate:
                    raise RuntimeError(f"lists by {what}: {run.bad} failed, {run.rate:.1f} answered a second")
            name = f"list of {sizes.jobs:,} jobs, {what}: p99"
            note = f"p50 {median(run.p50 for run in found):.1f} ms"
            turns = [run.turn(run.p99) for run in found]
            figures.add(name, turns, "ms", work="requests", most=_MOST, note=note)
