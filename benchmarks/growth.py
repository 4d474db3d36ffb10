"""Growth: rate and memory of rebuilds, and latencies of queries, at growing numbers of stored events."""

from typing import Final

from benchmarks import http_runs, steady_load, timed_rebuild, wrk
from benchmarks.child_processes import run_in_child
from benchmarks.figures import Figures
from benchmarks.servers import servers
from benchmarks.sizes import Sizes
from benchmarks.status_line import ShowStatus
from benchmarks.turn import Turn

_LEAST: Final = 0.8  # of the rate with the fewest events
_AT_ONCE: Final = 2_000  # sessions that are active at the same time, however many events are stored
_MOST_MB: Final = 250


async def growth(sizes: Sizes, figures: Figures, show_status: ShowStatus) -> None:
    """Growth: the same with more and more stored"""
    stored, first = 0, ""
    async with servers(rebuild_workers=1) as config:
        for count in sizes.grown:
            show_status(f"{count:,} events are stored")
            sessions = max(50, (count - stored) // steady_load.FACTS_EACH)
            load = {"name": f"to{count}", "sessions": sessions, "at_once": min(sessions, _AT_ONCE)}
            await run_in_child(steady_load.store_facts, config, count=count - stored, **load)
            stored = count
            show_status(f"{count:,} events: rebuild")
            found = [await run_in_child(timed_rebuild.timed_rebuild, config) for _ in range(sizes.long_turns)]
            name = f"growth {count:,}: rebuild"
            turns = [Turn.of(run) for run in found]
            figures.add(name, turns, "events/s", of=first, least=_LEAST if first else None)
            first = first or name
            memory = [Turn(run["rss"]) for run in found]
            figures.add(f"growth {count:,}: worker", memory, "MB", most=_MOST_MB)
            if wrk.is_installed():
                show_status(f"{count:,} events: queries")
                runs = http_runs.HttpRuns(figures, show_status, sizes)
                await runs.measure_growth(config, count, f"to{count}", sessions)
