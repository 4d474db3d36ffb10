"""Statistics of ended jobs: sums and histograms that merge by adding, exact whatever they are split into."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from projections.jobs.state import Entity

PER_OCTAVE: Final = 8
"""Buckets of a histogram between a duration and its double: a percentile is off by at most 4.5 %."""
_SHORTEST: Final = 2.0**-10
LOWEST: Final = -10 * PER_OCTAVE
_MICRO: Final = 1_000_000
_KIBI: Final = 1024


class Cell(NamedTuple):
    """Where an ended job counts: an application at a site, in the hour (UTC) it ended."""

    part: int
    site: str
    app_id: str
    hour: datetime


@dataclass(slots=True)
class Tally:
    """One cell's sums in integers: floats would not add up alike in batches of another size."""

    app_name: str = ""
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0
    durations: int = 0  # jobs with a known duration
    duration_us: int = 0
    duration_max_us: int = 0
    cpu_us: int = 0
    memories: int = 0  # jobs with a known peak of memory
    mem_kib: int = 0
    mem_max_kib: int = 0

    def add(self, job: Entity, sign: int) -> None:
        """Count a job, or with -1 no longer. Maxima stay."""
        self.app_name = job.app_name
        setattr(self, job.status, getattr(self, job.status) + sign)
        if (seconds := job.duration_s) is not None:
            duration = round(seconds * _MICRO)
            self.durations += sign
            self.duration_us += sign * duration
            self.duration_max_us = max(self.duration_max_us, duration)
        cpu = job.metrics.get("cpu_user_s", 0.0) + job.metrics.get("cpu_system_s", 0.0)
        self.cpu_us += sign * round(cpu * _MICRO)
        if (peak := job.metrics.get("mem_max_mb")) is not None:
            memory = round(peak * _KIBI)
            self.memories += sign
            self.mem_kib += sign * memory
            self.mem_max_kib = max(self.mem_max_kib, memory)


def cell_of(site: str, job: Entity) -> Cell | None:
    """Where a job counts; nowhere while it runs."""
    if job.ended_at is None:
        return None
    return Cell(job.part, site, job.app_id, job.ended_at.replace(minute=0, second=0, microsecond=0))


def bucket_of(seconds: float) -> int:
    """The histogram's bucket: `n` holds durations from 2**(n/8) s to 2**((n+1)/8) s."""
    return max(LOWEST, math.floor(math.log2(max(seconds, _SHORTEST)) * PER_OCTAVE))
