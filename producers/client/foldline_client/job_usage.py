"""The processor time and memory of a job, as far as its process knows them."""

import os
import sys
import time
from typing import Final

if sys.platform != "win32":
    import resource

    _MIB: Final = 1 << 20 if sys.platform == "darwin" else 1 << 10  # of ru_maxrss: bytes there, KiB elsewhere

    def _cpu() -> tuple[float, float]:
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        return own.ru_utime + children.ru_utime, own.ru_stime + children.ru_stime

    def _peak_mb() -> float | None:
        peaks = [
            resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ]
        return round(max(peaks) / _MIB, 3)

else:

    def _cpu() -> tuple[float, float]:
        times = os.times()
        return times.user, times.system

    def _peak_mb() -> float | None:
        return None


class Usage:
    """Measures from the moment it is made.

    Processor time is that of the whole process and of its children that were waited for: the time of other
    jobs in the process counts as well. Memory is the peak resident size of the process, or of its largest
    child, in its life so far: getrusage knows no other, so a small job after a large one shows the large
    one's.
    """

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._user, self._system = _cpu()

    def metrics(self) -> dict[str, float]:
        """Return `duration_s`, `cpu_user_s`, `cpu_system_s` and, where it is known, `mem_max_mb` (MiB)."""
        user, system = _cpu()
        found = {
            "duration_s": round(time.perf_counter() - self._started, 6),
            "cpu_user_s": round(max(0.0, user - self._user), 6),
            "cpu_system_s": round(max(0.0, system - self._system), 6),
        }
        peak = _peak_mb()
        return found if peak is None else found | {"mem_max_mb": peak}
