"""Hourly statistics of ended jobs: sums and histograms that merge by adding, exact in any batches."""

import math
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Final, NamedTuple

from projections.columns import Column
from projections.jobs.state import Ended, JobState
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
    """Sums of one application and hour, in integers: sums of floats would depend on the size of batches.

    There are no maxima: one could not be taken back. They are read from the rows of jobs.
    """

    succeeded: int = 0
    failed: int = 0
    canceled: int = 0
    attempts: int = 0
    failed_attempts: int = 0
    lost: int = 0
    durations: int = 0  # jobs with a known duration
    duration_us: int = 0
    cpu_us: int = 0
    memories: int = 0  # jobs with a known peak of memory
    mem_kib: int = 0

    @property
    def is_nothing(self) -> bool:
        """Whether everything cancelled out."""
        return not any(astuple(self))

    def add(self, job: JobState, ended: Ended, sign: int) -> None:
        """Count a job by its newest attempt that ended, or with a `sign` of -1 take it back."""
        setattr(self, ended.status, getattr(self, ended.status) + sign)
        self.attempts += sign * job.attempts
        self.failed_attempts += sign * job.failed_attempts
        self.lost += sign * job.lost_attempts
        if ended.duration_s is not None:
            self.durations += sign
            self.duration_us += sign * round(ended.duration_s * _MICRO)
        self.cpu_us += sign * round(ended.cpu_s * _MICRO)
        if ended.mem_mb is not None:
            self.memories += sign
            self.mem_kib += sign * round(ended.mem_mb * _KIBI)


TALLY: Final = SumTable(
    "tally",
    [
        Column("part", "smallint"),
        Column("site", "text"),
        Column("app_id", "text"),
        Column("hour", "timestamptz"),
        Column("succeeded", "bigint"),
        Column("failed", "bigint"),
        Column("canceled", "bigint"),
        Column("attempts", "bigint"),
        Column("failed_attempts", "bigint"),
        Column("lost", "bigint"),
        Column("durations", "bigint"),
        Column("duration_us", "numeric"),
        Column("cpu_us", "numeric"),
        Column("memories", "bigint"),
        Column("mem_kib", "numeric"),
    ],
    key=("site", "app_id", "hour", "part"),
)
"""The fields of StatsKey and HourlyStats, which have the names of its columns."""


def stats_key_of(site: str, job: JobState, ended: Ended) -> StatsKey:
    """Return under which key a job counts."""
    return StatsKey(job.part, site, job.app_id, ended.ended_at.replace(minute=0, second=0, microsecond=0))


def bucket_of(seconds: float) -> int:
    """Return a duration's bucket in the histogram: `n` holds those from 2**(n/8) s to 2**((n+1)/8) s."""
    return max(LOWEST, math.floor(math.log2(max(seconds, _SHORTEST)) * PER_OCTAVE))
