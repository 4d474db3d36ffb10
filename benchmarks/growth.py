"""Growth: rebuilds, their memory and queries while more and more is stored."""

from typing import Final

from benchmarks import http, rebuilding, steady, wrk
from benchmarks.children import in_child
from benchmarks.figures import Figures
from benchmarks.say import Say
from benchmarks.servers import servers
from benchmarks.sizes import Sizes
from benchmarks.turn import Turn

_KEPT: Final = 0.8  # of the rate with the fewest events
_AT_ONCE: Final = 2_000  # sessions, however many are stored
_MOST_MB: Final = 250


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
            found = [await in_child(rebuilding.rebuilt, config) for _ in range(sizes.long_turns)]
            name = f"growth {count:,}: rebuild"
            turns = [Turn.of(run) for run in found]
            figures.add(name, turns, "events/s", of=first, least=_KEPT if first else None)
            first = first or name
            memory = [Turn(run["rss"]) for run in found]
            figures.add(f"growth {count:,}: worker", memory, "MB", most=_MOST_MB)
            if wrk.available():
                say(f"{count:,} events: queries")
                runs = http.Runs(figures, say, sizes)
                await runs.grown(config, count, f"to{count}", sessions)
