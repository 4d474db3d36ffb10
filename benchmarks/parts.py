"""The parts of a run, in their order. Each starts servers of its own, but the raw limits come first."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from statistics import mean
from typing import Any, Final

from benchmarks import http, live, publishing, rebuilding, seeing, steady, wrk
from benchmarks.children import in_child, running
from benchmarks.figures import Figures
from benchmarks.jobs import jobs
from benchmarks.limits import READ, limits, reading, writing
from benchmarks.say import Say
from benchmarks.servers import servers
from benchmarks.sizes import Sizes
from benchmarks.undisturbed import undisturbed

Part = Callable[[Sizes, Figures, Say], Awaitable[None]]

_OFTEN: Final = 600_000  # events rebuilt in all turns: few are rebuilt several times, many once
_TAKEN: Final = 0.9  # of the processors
_KEPT: Final = 0.8  # of the rate with the fewest events
_AT_ONCE: Final = 2_000  # sessions, however many are stored


async def publish(sizes: Sizes, figures: Figures, say: Say) -> None:
    """Publishing: bulk calls, single calls"""
    async with servers() as config:
        for name, function, count, least in (
            ("publish, bulk", publishing.bulk, sizes.published, 0.7),
            ("publish, bulk, validated meanwhile", publishing.checked, sizes.published, None),
            ("publish, 64 callers", publishing.one_by_one, sizes.published // 3, 0.25),
        ):
            limit = writing(config, sizes, figures, say, name)
            rates = []
            await limit.turn()
            for _ in range(sizes.turns):
                say(name)
                once = partial(in_child, function, config, count=count)
                rates.append((await undisturbed(once, sizes.turns, say))["rate"])
                await limit.turn()
            limit.done()
            figures.add(name, mean(rates), "events/s", of=limit.name, least=least)


async def rebuild(sizes: Sizes, figures: Figures, say: Say) -> None:
    """Rebuilding from the line, one and two processes"""
    for count in sizes.rebuilt:
        limit = reading(sizes, figures, say, f"{count:,}")
        await limit.turn()
        sessions = max(50, count // steady.FACTS_EACH)
        found: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
        async with servers() as config:
            say(f"{count:,} events are stored")
            await in_child(steady.stored, config, name="load", sessions=sessions, count=count)
            await in_child(steady.beating, config, name="load", sessions=sessions)
            for _ in range(min(sizes.turns, max(1, _OFTEN // count))):
                for workers, runs in found.items():
                    say(f"{count:,} events, {workers} processes")
                    told = config.model_copy(update={"rebuild_workers": workers})
                    runs.append(await in_child(rebuilding.rebuilt, told))
                    await limit.turn()
        limit.done()
        one = f"rebuild {count:,}, 1 process"
        _rebuilt(figures, one, count, found[1], of=limit.name, least=0.20)
        # With both processors taken there is nothing that a second process could add.
        least = None if mean(run["busy"] for run in found[2]) > _TAKEN else 1.15
        _rebuilt(figures, f"rebuild {count:,}, 2 processes", count, found[2], of=one, least=least)


def _rebuilt(
    figures: Figures, name: str, count: int, runs: list[dict[str, Any]], *, of: str, least: float | None
) -> None:
    busy, rss = mean(run["busy"] for run in runs), max(run["rss"] for run in runs)
    beside = f"{runs[0]['events'] - count:,} heartbeats beside them"
    note = f"{beside}; processors {busy:.0%} busy, a worker {rss:.0f} MB"
    rate = mean(count / run["seconds"] for run in runs)
    figures.add(name, rate, "events/s", of=of, least=least, note=note)


async def follow(sizes: Sizes, figures: Figures, say: Say) -> None:
    """Live: producers and a consumer together"""
    limit = reading(sizes, figures, say, "live")
    start = 0.05 * await limit.turn()
    async with servers() as config:
        found = await live.highest(
            config, say, start=start, step=sizes.step, probe_s=sizes.probe_s, live_s=sizes.live_s
        )
    await limit.turn()
    limit.done()
    note = f"lag at most {found.lag:.2f} s for {sizes.live_s:.0f} s"
    figures.add("live, one consumer", found.rate, "events/s", of=limit.name, least=0.10, note=note)


async def latency(sizes: Sizes, figures: Figures, say: Say) -> None:
    """From publish to visible"""
    async with servers() as config, AsyncExitStack() as stack:
        for arguments in (live.CONSUMER, ("-m", "foldline", "api")):
            await stack.enter_async_context(running(config, *arguments))
        await http.answers(f"http://127.0.0.1:{config.api_port}/ready")
        for rate, p50, p99 in ((200, 10, 50), (2_000, None, 250)):
            say(f"{rate:,} events/s")
            once = partial(in_child, seeing.seen, config, rate=rate, seconds=sizes.latency_s / sizes.turns)
            runs = [await undisturbed(once, sizes.turns, say) for _ in range(sizes.turns)]
            for name, most in (("p50", p50), ("p99", p99), ("max", None)):
                figures.add_turns(
                    f"visible at {rate:,}/s, {name}", [run[name] for run in runs], "ms", most=most
                )


async def over_http(sizes: Sizes, figures: Figures, say: Say) -> None:
    """HTTP: durable POSTs and GETs"""
    if not wrk.available():
        say(wrk.MISSING)
        return
    async with servers() as config:
        await http.Runs(figures, say, sizes).compare(config)


async def growth(sizes: Sizes, figures: Figures, say: Say) -> None:
    """Growth: the same with more and more stored"""
    stored, first = 0, ""
    async with servers(rebuild_workers=1) as config:
        for count in sizes.grown:
            say(f"{count:,} events are stored")
            sessions = max(50, (count - stored) // steady.FACTS_EACH)
            load = {"name": f"to{count}", "sessions": sessions, "at_once": min(sessions, _AT_ONCE)}
            await in_child(steady.stored, config, count=count - stored, **load)
            stored = count
            say(f"{count:,} events: rebuild")
            found = await in_child(rebuilding.rebuilt, config)
            name = f"growth {count:,}: rebuild"
            figures.add(
                name, found["events"] / found["seconds"], "events/s", of=first, least=_KEPT if first else None
            )
            first = first or name
            figures.add(f"growth {count:,}: worker", found["rss"], "MB", most=250)
            if wrk.available():
                say(f"{count:,} events: queries")
                runs = http.Runs(figures, say, sizes)
                await runs.grown(config, count, f"to{count}", sessions)


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
        figures.add(f"lag with {count} consumer{'s' if count > 1 else ''}", found.lag * 1e3, "ms", note=note)


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
