"""How fast the processor is just now: one that is shared with others changes under a measurement."""

import time
from typing import Final

_STEPS: Final = 100_000
_TRIES: Final = 5


def pace() -> float:
    """Runs of a fixed piece of work a second; the best of a few, about 50 ms."""
    best = float("inf")
    for _ in range(_TRIES):
        began = time.perf_counter()
        for _ in range(_STEPS):
            pass
        best = min(best, time.perf_counter() - began)
    return 1 / best
