"""The parts of a run, in their order. Each starts servers of its own, but the raw limits come first."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

from benchmarks import http, live, publishing, raw, rebuilding, seeing, steady, wrk
from benchmarks.children import in_child, running
from benchmarks.figures import Figures
from benchmarks.say import Say
from benchmarks.servers import servers
from benchmarks.sizes import Sizes

Part = Callable[[Sizes, Figures, Say], Awaitable[None]]

READ: Final = "raw read by callback"
PUBLISH: Final = "raw atomic batches"


async def limits(sizes: Sizes, figures: Figures, say: Say) -> None:
    """Raw limits of NATS and PostgreSQL"""
    async with servers() as config:
        for name, unit, function in (
            (PUBLISH, "events/s", raw.publish),
            ("raw COPY", "rows/s", raw.copy),
        ):
            say(name)
            figures.add(name, (await in_child(function, config, count=sizes.raw))["rate"], unit)
    # Only to have something to read quickly: what is read does not depend on how it was synced.
    async with servers(sync_always=False) as config:
        say(READ)
        await in_child(raw.stored, config, count=sizes.raw)
        figures.add(READ, (await in_child(raw.read, config, count=sizes.raw))["rate"], "events/s")


async def publish(sizes: Sizes, figures: Figures, say: Say) -> None:
    """Publishing: bulk calls, single calls"""
    async with servers() as config:
        for name, function, count, least in (
            ("publish, bulk", publishing.bulk, sizes.published, 0.7),
            ("publish, 64 callers", publishing.one_by_one, sizes.published // 3, 0.25),
        ):
            say(name)
            found = await in_child(function, config, count=count)
            figures.add(name, found["rate"], "events/s", of=PUBLISH, least=least)


async def rebuild(sizes: Sizes, figures: Figures, say: Say) -> None:
    """Rebuilding from the line, one and two processes"""
    for count in sizes.rebuilt:
        one = 0.0
        async with servers() as config:
            say(f"{count:,} events are stored")
            await in_child(steady.stored, config, name="load", sessions=max(50, count // 100), count=count)
            for workers in (1, 2):
                say(f"{count:,} events, {workers} processes")
                told = config.model_copy(update={"rebuild_workers": workers})
                found = await in_child(rebuilding.rebuilt, told)
                rate = found["events"] / found["seconds"]
                note = f"processors {found['busy']:.0%} busy, a worker {found['rss']:.0f} MB"
                name = f"rebuild {count:,}, {workers} process{'es' if workers > 1 else ''}"
                if workers == 1:
                    one = rate
                    figures.add(name, rate, "events/s", of=READ, least=0.20, note=note)
                else:
                    note += f"; {rate / one:.2f} x one process"
                    figures.add(name, rate, "events/s", of=READ, note=note)


async def follow(sizes: Sizes, figures: Figures, say: Say) -> None:
    """Live: producers and a consumer together"""
    async with servers() as config:
        start = 0.05 * (figures.value(READ) or 40_000)
        found = await live.highest(config, say, start=start, probe_s=sizes.probe_s, live_s=sizes.live_s)
    note = f"lag at most {found.lag:.2f} s for {sizes.live_s:.0f} s"
    figures.add("live, one consumer", found.rate, "events/s", of=READ, least=0.10, note=note)


async def latency(sizes: Sizes, figures: Figures, say: Say) -> None:
    """From publish to visible"""
    async with servers() as config, AsyncExitStack() as stack:
        for arguments in (live.CONSUMER, ("-m", "foldline", "api")):
            await stack.enter_async_context(running(config, *arguments))
        await http.answers(f"http://127.0.0.1:{config.api_port}/ready")
        for rate, p50, p99 in ((200, 10, 50), (2_000, None, 250)):
            say(f"{rate:,} events/s")
            found = await in_child(seeing.seen, config, rate=rate, seconds=sizes.latency_s)
            for name, most in (("p50", p50), ("p99", p99), ("max", None)):
                figures.add(f"visible at {rate:,}/s, {name}", found[name], "ms", most=most)


async def over_http(sizes: Sizes, figures: Figures, say: Say) -> None:
    """HTTP: durable POSTs and GETs"""
    if not wrk.available():
        say(wrk.MISSING)
        return
    async with servers() as config:
        await http.Runs(figures, say, sizes.http_s).compare(config)


async def growth(sizes: Sizes, figures: Figures, say: Say) -> None:
    """Growth: the same with more and more stored"""
    first, stored = 0.0, 0
    async with servers(rebuild_workers=1) as config:
        for count in sizes.grown:
            say(f"{count:,} events are stored")
            sessions = max(50, (count - stored) // 100)
            await in_child(steady.stored, config, name=f"to{count}", sessions=sessions, count=count - stored)
            stored = count
            say(f"{count:,} events: rebuild")
            found = await in_child(rebuilding.rebuilt, config)
            rate = found["events"] / found["seconds"]
            first = first or rate
            figures.add(
                f"growth {count:,}: rebuild", rate, "events/s", note=f"{rate / first:.2f} x the first"
            )
            figures.add(f"growth {count:,}: worker", found["rss"], "MB", most=250)
            if wrk.available():
                say(f"{count:,} events: queries")
                runs = http.Runs(figures, say, sizes.http_s)
                await runs.grown(config, count, f"to{count}", sessions)


async def replicas(sizes: Sizes, figures: Figures, say: Say) -> None:
    """Replicas: the same line followed by 1, 2 and 4 consumers"""
    for count in (1, 2, 4):
        async with servers() as config:
            await in_child(steady.stored, config, name="load", sessions=2_000, count=sizes.shared)
            say(f"{count} consumers")
            seconds, held = await live.caught_up(config, count, sizes.shared)
        note = "partitions held: " + ", ".join(map(str, held))
        figures.add(f"catching up, {count} consumers", sizes.shared / seconds, "events/s", note=note)


PARTS: Final[dict[str, Part]] = {
    "limits": limits,
    "publish": publish,
    "rebuild": rebuild,
    "live": follow,
    "latency": latency,
    "http": over_http,
    "growth": growth,
    "replicas": replicas,
}
