"""The parts of a run, in their order. Each starts servers of its own, but the raw limits come first."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from benchmarks import http, live, publishing, seeing, wrk
from benchmarks.children import in_child, running
from benchmarks.figures import Figures
from benchmarks.growth import growth
from benchmarks.jobs import jobs
from benchmarks.limits import READ, limits, reading, writing
from benchmarks.rebuilds import rebuild
from benchmarks.say import Say
from benchmarks.servers import servers
from benchmarks.sizes import Sizes
from benchmarks.turn import Turn
from benchmarks.undisturbed import repeated, undisturbed
from runtime.database.connections import connect

Part = Callable[[Sizes, Figures, Say], Awaitable[None]]

_COSTED: Final = 4_000  # events/s at which the cost of live load is measured


async def publish(sizes: Sizes, figures: Figures, say: Say) -> None:
    """Publishing: bulk calls, single calls"""
    async with servers() as config:
        for name, function, count, least in (
            ("publish, bulk", publishing.bulk, sizes.published, 0.7),
            ("publish, bulk, validated meanwhile", publishing.checked, sizes.published // 3, None),
            ("publish, 64 callers", publishing.one_by_one, sizes.published // 3, 0.25),
        ):
            limit = writing(config, sizes, figures, say, name)
            turns = []
            await limit.turn()
            for _ in range(sizes.turns):
                say(name)
                once = partial(in_child, function, config, count=count)
                turns.append(Turn.of(await undisturbed(once, sizes.tries, say)))
                await limit.turn()
            limit.done()
            figures.add(name, turns, "events/s", of=limit.name, least=least)


async def follow(sizes: Sizes, figures: Figures, say: Say) -> None:
    """Live: producers and a consumer together"""
    limit = reading(sizes, figures, say, "live")
    start = 0.05 * await limit.turn()
    lags, turns = [], []
    async with servers() as config, AsyncExitStack() as stack:
        await stack.enter_async_context(running(config, *live.CONSUMER))
        db = await stack.enter_async_context(await connect(config, name="bench-live"))
        below = await live.too_high(config, db, say, start=start, step=sizes.step, probe_s=sizes.probe_s)
        for _ in range(sizes.long_turns):
            found = await live.highest(config, db, say, below=below, step=sizes.step, live_s=sizes.live_s)
            lags.append(found.lag)
            # At the rate that was followed, which differs, batches of another size would cost something else.
            say(f"{_COSTED:,} events/s, for the cost")
            turns.append((await live.follow(config, db, _COSTED, sizes.cost_s)).turn(found.rate))
    await limit.turn()
    limit.done()
    note = f"lag at most {max(lags):.2f} s for {sizes.live_s:.0f} s; cost at {_COSTED:,} events/s"
    figures.add("live, one consumer", turns, "events/s", of=limit.name, least=0.10, note=note)


async def latency(sizes: Sizes, figures: Figures, say: Say) -> None:
    """From publish to visible"""
    async with servers() as config, AsyncExitStack() as stack:
        for arguments in (live.CONSUMER, ("-m", "foldline", "api")):
            await stack.enter_async_context(running(config, *arguments))
        await http.answers(f"http://127.0.0.1:{config.api_port}/ready")
        for rate, p50, p99 in ((200, 10, 50), (2_000, None, 250)):
            say(f"{rate:,} events/s")
            once = partial(in_child, seeing.seen, config, rate=rate, seconds=sizes.latency_s)
            runs = await repeated(once, sizes.turns, sizes.tries, say)
            for name, most in (("p50", p50), ("p99", p99), ("max", None)):
                turns = [Turn.of(run, name) for run in runs]
                figures.add(f"visible at {rate:,}/s, {name}", turns, "ms", most=most)


async def over_http(sizes: Sizes, figures: Figures, say: Say) -> None:
    """HTTP: durable POSTs and GETs"""
    if not wrk.available():
        say(wrk.MISSING)
        return
    async with servers() as config:
        await http.Runs(figures, say, sizes).compare(config)


async def replicas(sizes: Sizes, figures: Figures, say: Say) -> None:
    """Replicas: the same load for one consumer and several"""
    rate = 0.05 * (figures.value(READ) or 40_000)
    for count in sizes.replicas:
        async with servers() as config:
            say(f"{count} consumers, {rate:,.0f} events/s")
            found = await live.shared(config, count, rate, sizes.shared_s)
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
