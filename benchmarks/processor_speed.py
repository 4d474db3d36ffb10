"""The speed of the processor just now: one that is shared with others changes under a measurement."""

import time
from typing import Final

_STEPS: Final = 100_000
_TRIES: Final = 5


def processor_speed() -> float:
    """Measure how often a second a fixed piece of work is done: the best of 5 tries, about 50 ms in all."""
    best = float("inf")
    for _ in range(_TRIES):
        began = time.perf_counter()
        for _ in range(_STEPS):
            pass
        best = min(best, time.perf_counter() - began)
    return 1 / best
