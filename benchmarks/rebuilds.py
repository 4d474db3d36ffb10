"""Rebuilds of some events by one process and by two, in turns."""

from statistics import median
from typing import Any, Final

from benchmarks import rebuilding, steady
from benchmarks.children import in_child
from benchmarks.figures import Figures
from benchmarks.limits import reading
from benchmarks.say import Say
from benchmarks.servers import servers
from benchmarks.sizes import Sizes
from benchmarks.turn import Turn

_OFTEN: Final = 600_000  # events rebuilt in all turns: few are rebuilt several times, many once
_TAKEN: Final = 0.9  # of the processors


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
            for _ in range(max(sizes.long_turns, min(sizes.turns, _OFTEN // count))):
                for workers, runs in found.items():
                    say(f"{count:,} events, {workers} processes")
                    told = config.model_copy(update={"rebuild_workers": workers})
                    runs.append(await in_child(rebuilding.rebuilt, told))
                    await limit.turn()
        limit.done()
        one = f"rebuild {count:,}, 1 process"
        _rebuilt(figures, one, count, found[1], of=limit.name, least=0.20)
        # With both processors taken there is nothing that a second process could add.
        least = None if median(run["busy"] for run in found[2]) > _TAKEN else 1.15
        _rebuilt(figures, f"rebuild {count:,}, 2 processes", count, found[2], of=one, least=least)


def _rebuilt(
    figures: Figures, name: str, count: int, runs: list[dict[str, Any]], *, of: str, least: float | None
) -> None:
    busy, rss = median(run["busy"] for run in runs), max(run["rss"] for run in runs)
    beside = f"{runs[0]['work'] - count:,} heartbeats beside them"
    note = f"{beside}; processors {busy:.0%} busy, a worker {rss:.0f} MB"
    turns = [Turn(count / run["seconds"], run["cpu_seconds"], run["work"]) for run in runs]
    figures.add(name, turns, "events/s", of=of, least=least, note=note)
