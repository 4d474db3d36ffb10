"""Jobs: batches through the site's API and a sidecar until they can be read, and lists of very many jobs."""

import asyncio
from collections.abc import Awaitable
from functools import partial
from itertools import count
from statistics import median
from typing import Any, Final

from benchmarks import ingesting, job_queries, wrk
from benchmarks.children import in_child, running
from benchmarks.figures import Figures
from benchmarks.http import answers
from benchmarks.live import CONSUMER
from benchmarks.say import Say
from benchmarks.servers import servers
from benchmarks.sizes import Sizes
from benchmarks.small import small
from benchmarks.turn import Turn
from benchmarks.undisturbed import repeated
from runtime.settings import Settings

_LEAST: Final = 8_000  # events/s
_MOST: Final = 30  # ms


async def jobs(sizes: Sizes, figures: Figures, say: Say) -> None:
    """Jobs: batches in, lists out"""
    async with servers() as config:
        async with running(config, *CONSUMER):
            async with running(config, "-m", "foldline", "api"):
                say("batches through the api")
                await _batches(config, "api", sizes, figures, say)
            async with running(config, "-m", "foldline", "sidecar") as sidecar:
                say("batches through the sidecar")
                await _batches(config, "sidecar", sizes, figures, say)
                await small(config, sidecar.pid, sizes, figures, say)
        if wrk.available():
            await _lists(config, sizes, figures, say)
        else:
            say(wrk.MISSING)


async def _batches(config: Settings, program: str, sizes: Sizes, figures: Figures, say: Say) -> None:
    port = config.jobs_port if program == "api" else config.sidecar_port
    await answers(f"http://127.0.0.1:{port}/v1/healthz")
    names = (f"{program}{number}-" for number in count())

    def once() -> Awaitable[dict[str, Any]]:
        return in_child(ingesting.ingested, config, port=port, name=next(names), count=sizes.ingested)

    found = await repeated(once, sizes.turns, sizes.tries, say)
    note = f"accepted at {median(run['accepted'] for run in found):,.0f}/s"
    turns = [Turn.of(run) for run in found]
    figures.add(f"batches of jobs, {program}", turns, "events/s", least=_LEAST, note=note)


async def _lists(config: Settings, sizes: Sizes, figures: Figures, say: Say) -> None:
    url = f"http://127.0.0.1:{config.jobs_port}"
    say(f"{sizes.jobs:,} jobs are stored")
    await job_queries.fill(config, sizes.jobs)
    async with running(config, "-m", "foldline", "api"):
        await answers(f"{url}/v1/healthz")
        questions = await asyncio.to_thread(lambda: list(job_queries.questions(url, sizes.jobs)))
        if not sizes.thorough:  # all of them in one short run
            questions = [("every kind", [path for _, paths in questions for path in paths])]
        for what, paths in questions:
            say(f"lists by {what}")
            script = job_queries.asking(paths)
            once = partial(wrk.load, url, connections=1, seconds=sizes.listed_s, script=script)
            found = await repeated(once, sizes.turns, sizes.tries, say)
            for run in found:
                if run.bad or not run.rate:
                    raise RuntimeError(f"lists by {what}: {run.bad} failed, {run.rate:.1f} answered a second")
            name = f"list of {sizes.jobs:,} jobs, {what}: p99"
            note = f"p50 {median(run.p50 for run in found):.1f} ms"
            turns = [run.turn(run.p99) for run in found]
            figures.add(name, turns, "ms", work="requests", most=_MOST, note=note)
