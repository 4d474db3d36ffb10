"""The parts of a run, in order: first the raw limits. Each part starts servers of its own."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from benchmarks import http_runs, live_load, publishing, visibility, wrk
from benchmarks.child_processes import run_in_child, running_program
from benchmarks.figures import Figures
from benchmarks.growth import growth
from benchmarks.jobs import jobs
from benchmarks.limits import READ, limits, publish_limit, read_limit
from benchmarks.rebuilds import rebuild
from benchmarks.servers import servers
from benchmarks.sizes import Sizes
from benchmarks.status_line import ShowStatus
from benchmarks.turn import Turn
from benchmarks.undisturbed import measure_turns, measure_undisturbed
from foldline.settings import port_of
from foldline.surfaces import API
from runtime.database.connections import connect

Part = Callable[[Sizes, Figures, ShowStatus], Awaitable[None]]

_COST_RATE: Final = 4_000  # events/s at which the cost of live load is measured


async def publish(sizes: Sizes, figures: Figures, show_status: ShowStatus) -> None:
    """Publishing: bulk calls, single calls"""
    async with servers() as config:
        for name, function, count, least in (
            ("publish, bulk", publishing.publish_bulk, sizes.published, 0.7),
            ("publish, bulk, validated meanwhile", publishing.publish_validated, sizes.published // 3, None),
            ("publish, 64 callers", publishing.publish_singly, sizes.published // 3, 0.25),
        ):
            limit = publish_limit(config, sizes, figures, show_status, name)
            turns = []
            await limit.measure()
            for _ in range(sizes.turns):
                show_status(name)
                once = partial(run_in_child, function, config, count=count)
                turns.append(Turn.of(await measure_undisturbed(once, sizes.tries, show_status)))
                await limit.measure()
            limit.add_figure()
            figures.add(name, turns, "events/s", of=limit.name, least=least)


async def follow(sizes: Sizes, figures: Figures, show_status: ShowStatus) -> None:
    """Live: producers and a consumer together"""
    limit = read_limit(sizes, figures, show_status, "live")
    start = 0.05 * await limit.measure()
    lags, turns = [], []
    async with servers() as config, AsyncExitStack() as stack:
        await stack.enter_async_context(running_program(config, *live_load.CONSUMER))
        db = await stack.enter_async_context(await connect(config, name="bench-live"))
        below = await live_load.first_rate_too_high(
            config, db, show_status, start=start, step=sizes.step, probe_s=sizes.probe_s
        )
        for _ in range(sizes.long_turns):
            found = await live_load.highest_rate(
                config, db, show_status, below=below, step=sizes.step, live_s=sizes.live_s
            )
            lags.append(found.lag)
            # At one rate always: at the rate that was followed, which differs, so does the size of batches.
            show_status(f"{_COST_RATE:,} events/s, for the cost")
            turns.append((await live_load.follow_rate(config, db, _COST_RATE, sizes.cost_s)).turn(found.rate))
    await limit.measure()
    limit.add_figure()
    note = f"lag at most {max(lags):.2f} s for {sizes.live_s:.0f} s; cost at {_COST_RATE:,} events/s"
    figures.add("live, one consumer", turns, "events/s", of=limit.name, least=0.10, note=note)


async def latency(sizes: Sizes, figures: Figures, show_status: ShowStatus) -> None:
    """From publish to visible"""
    async with servers() as config, AsyncExitStack() as stack:
        for arguments in (live_load.CONSUMER, ("-m", "foldline", "api")):
            await stack.enter_async_context(running_program(config, *arguments))
        await http_runs.wait_for_ok(f"http://127.0.0.1:{port_of(config, API)}/ready?for=reads,writes")
        for rate, p50, p99 in ((200, 10, 50), (2_000, None, 250)):
            show_status(f"{rate:,} events/s")
            once = partial(
                run_in_child, visibility.measure_visibility, config, rate=rate, seconds=sizes.latency_s
            )
            runs = await measure_turns(once, sizes.turns, sizes.tries, show_status)
            for name, most in (("p50", p50), ("p99", p99), ("max", None)):
                turns = [Turn.of(run, name) for run in runs]
                figures.add(f"visible at {rate:,}/s, {name}", turns, "ms", most=most)


async def over_http(sizes: Sizes, figures: Figures, show_status: ShowStatus) -> None:
    """HTTP: durable POSTs and GETs"""
    if not wrk.is_installed():
        show_status(wrk.MISSING)
        return
    async with servers() as config:
        await http_runs.HttpRuns(figures, show_status, sizes).measure_routes(config)


async def replicas(sizes: Sizes, figures: Figures, show_status: ShowStatus) -> None:
    """Replicas: the same load for one consumer and several"""
    rate = 0.05 * (figures.value(READ) or 40_000)
    for count in sizes.replicas:
        async with servers() as config:
            show_status(f"{count} consumers, {rate:,.0f} events/s")
            found = await live_load.share_load(config, count, rate, sizes.shared_s)
        held = ", ".join(map(str, found.held))
        work = ", ".join(f"{share:.0%}" for share in found.work)
        note = f"{rate:,.0f} events/s; partitions held: {held}; share of the work: {work}"
        turn = found.followed.turn(found.followed.lag * 1e3)
        figures.add(f"lag with {count} consumer{'s' if count > 1 else ''}", [turn], "ms", note=note)


PARTS: Final[dict[str, Part]] = {
    "limits": limits,
    "publish": publish,
    "rebuild": rebuild,
    "live": follow,
    "latency": latency,
    "http": over_http,
    "jobs": jobs,
    "growth": growth,
    "replicas": replicas,
}
