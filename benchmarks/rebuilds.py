"""Rebuilds by one process and by two, in turns."""

from statistics import median
from typing import Any, Final

from benchmarks import steady_load, timed_rebuild
from benchmarks.child_processes import run_in_child
from benchmarks.figures import Figures
from benchmarks.limits import read_limit
from benchmarks.servers import servers
from benchmarks.sizes import Sizes
from benchmarks.status_line import ShowStatus
from benchmarks.turn import Turn

_EVENTS: Final = 600_000  # rebuilt in all turns together: a small line several times, a large one once
_BUSY: Final = 0.9  # of the processors' time


async def rebuild(sizes: Sizes, figures: Figures, show_status: ShowStatus) -> None:
    """Rebuilding from the line, one and two processes"""
    for count in sizes.rebuilt:
        limit = read_limit(sizes, figures, show_status, f"{count:,}")
        await limit.measure()
        sessions = max(50, count // steady_load.FACTS_EACH)
        found: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
        async with servers() as config:
            show_status(f"{count:,} events are stored")
            await run_in_child(steady_load.store_facts, config, name="load", sessions=sessions, count=count)
            await run_in_child(steady_load.store_heartbeats, config, name="load", sessions=sessions)
            for _ in range(max(sizes.long_turns, min(sizes.turns, _EVENTS // count))):
                for workers, runs in found.items():
                    show_status(f"{count:,} events, {workers} processes")
                    told = config.model_copy(update={"rebuild_workers": workers})
                    runs.append(await run_in_child(timed_rebuild.timed_rebuild, told))
                    await limit.measure()
        limit.add_figure()
        one = f"rebuild {count:,}, 1 process"
        _rebuilt(figures, one, count, found[1], of=limit.name, least=0.20)
        # Where two processes take all processors there is nothing more to gain.
        least = None if median(run["busy"] for run in found[2]) > _BUSY else 1.15
        _rebuilt(figures, f"rebuild {count:,}, 2 processes", count, found[2], of=one, least=least)


def _rebuilt(
    figures: Figures, name: str, count: int, runs: list[dict[str, Any]], *, of: str, least: float | None
) -> None:
    busy, rss = median(run["busy"] for run in runs), max(run["rss"] for run in runs)
    beside = f"{runs[0]['work'] - count:,} heartbeats beside them"
    note = f"{beside}; processors {busy:.0%} busy, a worker {rss:.0f} MB"
    turns = [Turn(count / run["seconds"], run["cpu_seconds"], run["work"]) for run in runs]
    figures.add(name, turns, "events/s", of=of, least=least, note=note)
