"""Measuring once more when the machine was elsewhere: a guest is not always given its processors.

The kernel counts the time a hypervisor withheld them ("steal"), whatever runs here: what is kept is chosen by
that alone, never by what was found.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import psutil

from benchmarks.say import Say

Found = TypeVar("Found")

_MOST: Final = 0.02  # of the processors


async def undisturbed(
    measure: Callable[[], Awaitable[Found]],
    tries: int,
    say: Say,
    withheld: Callable[[], tuple[float, float]] | None = None,
) -> Found:
    """What `measure` finds with the processors here, else the least disturbed of so many `tries`.

    `withheld` tells the seconds that others had of them, and all seconds.
    """
    count = withheld or _withheld
    found: list[tuple[float, Found]] = []
    while True:
        theirs, whole = count()
        value = await measure()
        after, at = count()
        share = (after - theirs) / max(at - whole, 1e-9)
        found.append((share, value))
        if share <= _MOST or len(found) >= tries:
            return min(found, key=lambda one: one[0])[1]
        say(f"others had {share:.0%} of the processors meanwhile: once more")


async def repeated(measure: Callable[[], Awaitable[Found]], turns: int, tries: int, say: Say) -> list[Found]:
    """So many turns of `measure`, each undisturbed or the least disturbed of its tries."""
    return [await undisturbed(measure, tries, say) for _ in range(turns)]


def _withheld() -> tuple[float, float]:
    times = psutil.cpu_times()
    return float(getattr(times, "steal", 0.0)), float(sum(times))
