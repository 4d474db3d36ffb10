"""Hourly statistics of ended jobs: sums and histograms that merge by adding, exact in any batches."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from projections.columns import Column
from projections.jobs.state import JobState
from projections.sum_table import SumTable

PER_OCTAVE: Final = 8
"""Buckets of a histogram between a duration and its double: a percentile is off by at most 4.5 %."""
_SHORTEST: Final = 2.0**-10
LOWEST: Final = -10 * PER_OCTAVE
_MICRO: Final = 1_000_000
_KIBI: Final = 1024


class StatsKey(NamedTuple):
    """The key of statistics: an application at a site, and the hour (UTC) in which its jobs ended."""

    part: int
    site: str
    app_id: str
    hour: datetime


@dataclass(slots=True)
class HourlyStats:
    """Sums of one application and hour, in integers: sums of floats would depend on the size of batches."""

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

    def add(self, job: JobState, sign: int) -> None:
        """Count a job, or with a `sign` of -1 take it back. Maxima stay."""
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


TALLY: Final = SumTable(
    "tally",
    [
        Column("part", "smallint"),
        Column("site", "text"),
        Column("app_id", "text"),
        Column("hour", "timestamptz"),
        Column("app_name", "text"),
        Column("succeeded", "bigint"),
        Column("failed", "bigint"),
        Column("canceled", "bigint"),
        Column("durations", "bigint"),
        Column("duration_us", "numeric"),
        Column("duration_max_us", "bigint"),
        Column("cpu_us", "numeric"),
        Column("memories", "bigint"),
        Column("mem_kib", "numeric"),
        Column("mem_max_kib", "bigint"),
    ],
    key=("site", "app_id", "hour", "part"),
    newest=("app_name",),
    greatest=("duration_max_us", "mem_max_kib"),
)
"""The fields of StatsKey and HourlyStats, which have the names of its columns."""


def stats_key_of(site: str, job: JobState) -> StatsKey | None:
    """Return under which key a job counts; None while it runs."""
    if job.ended_at is None:
        return None
    return StatsKey(job.part, site, job.app_id, job.ended_at.replace(minute=0, second=0, microsecond=0))


def bucket_of(seconds: float) -> int:
    """Return a duration's bucket in the histogram: `n` holds those from 2**(n/8) s to 2**((n+1)/8) s."""
    return max(LOWEST, math.floor(math.log2(max(seconds, _SHORTEST)) * PER_OCTAVE))
