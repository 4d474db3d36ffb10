"""Processor seconds of all processes of a measurement: what it costs, however long it takes."""

import time
from contextlib import suppress
from typing import Any, NamedTuple

import psutil


class Spent(NamedTuple):
    """Seconds that passed, and the user and system seconds that all processes took meanwhile."""

    seconds: float
    cpu_seconds: float

    def over(self, work: float) -> dict[str, float]:
        """Return what a measuring process answers for so many units of work; `Turn.of` reads it."""
        return {"rate": work / self.seconds, "cpu_seconds": self.cpu_seconds, "work": work}


class Meter:
    """Counts seconds, and the processor seconds of every process below one, from its creation on.

    `root` is the pid of the benchmark, which starts the servers, the programs and the measuring processes. It
    only waits for them, so its own time is left out. Processes that have ended count once their parent has
    waited for them; elsewhere than on Linux the kernel does not tell their time, and they are left out.
    """

    def __init__(self, root: int) -> None:
        self._root = psutil.Process(root)
        self._before = _below(self._root)
        self._began = time.perf_counter()

    def read(self) -> Spent:
        """Read both counts; the meter goes on."""
        seconds = time.perf_counter() - self._began
        return Spent(seconds, _below(self._root) - self._before)


def _below(root: psutil.Process) -> float:
    """Add up all processor seconds below a process, again when a process came or ended meanwhile.

    The time of a process moves to its parent as it ends: in between it would count twice or not at all.
    """
    found = root.children(recursive=True)
    while True:
        total = _ended(root.cpu_times())
        for process in found:
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + _ended(times)
        if (after := root.children(recursive=True)) == found:
            return total
        found = after


def _ended(times: Any) -> float:
    """Add up what the children that a process has waited for took, and theirs."""
    return float(getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0))
