"""Measuring again when others had the processors: a virtual machine is not always given them.

The kernel counts the time for which a hypervisor withheld them ("steal"). That alone decides which
measurement is kept, never the value found.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import psutil

from benchmarks.status_line import ShowStatus

Found = TypeVar("Found")

_MOST: Final = 0.02  # of the processors' time, withheld during a measurement that counts


async def measure_undisturbed(
    measure: Callable[[], Awaitable[Found]],
    tries: int,
    show_status: ShowStatus,
    withheld: Callable[[], tuple[float, float]] | None = None,
) -> Found:
    """Return the first measurement that was not disturbed, else the least disturbed one of `tries`.

    `withheld` returns two counters: processor seconds that others had, and all processor seconds.
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
        show_status(f"others had {share:.0%} of the processors meanwhile: measuring again")


async def measure_turns(
    measure: Callable[[], Awaitable[Found]], turns: int, tries: int, show_status: ShowStatus
) -> list[Found]:
    """Measure so many turns, each undisturbed or the least disturbed of its tries."""
    return [await measure_undisturbed(measure, tries, show_status) for _ in range(turns)]


def _withheld() -> tuple[float, float]:
    times = psutil.cpu_times()
    return float(getattr(times, "steal", 0.0)), float(sum(times))
