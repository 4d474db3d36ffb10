"""Rows a batch adds to the jobs read model, beside those of jobs and subjobs."""

from dataclasses import dataclass, field
from typing import Any, Final

from projections.binary_copy import json_text
from projections.columns import Column
from projections.jobs.attempts import Attempt
from projections.jobs.hourly_stats import HourlyStats, StatsKey, bucket_of, stats_key_of
from projections.jobs.state import ENTITY, JobState
from projections.projection import StateKey
from projections.recorded import Recorded
from projections.table import RowTable
from schemas.jobs.facts import JobFact

EVENT: Final = RowTable(
    "event",
    [
        Column("part", "smallint"),
        Column("site", "text"),
        Column("id", "text"),
        Column("sub", "text"),
        Column("seq", "bigint"),
        Column("at", "timestamptz"),
        Column("kind", "text"),
        Column("status", "text", nullable=True),
        Column("started_at", "timestamptz", nullable=True),
        Column("ended_at", "timestamptz", nullable=True),
        Column("metrics", "json"),
        Column("metadata", "json"),
    ],
    key=("site", "id", "seq"),
)

ATTEMPT: Final = RowTable(  # all but the newest, which is in the row of its job; `seq`: its `started`, else 0
    "attempt",
    [
        Column("part", "smallint"),
        Column("site", "text"),
        Column("id", "text"),
        Column("sub", "text"),
        Column("seq", "bigint"),
        Column("begun_at", "timestamptz", nullable=True),
        Column("started_at", "timestamptz", nullable=True),
        Column("ended_at", "timestamptz", nullable=True),
        Column("outcome", "text"),
        Column("duration_s", "double precision", nullable=True),
        Column("error", "json"),
        Column("metrics", "json"),
    ],
    key=("site", "id", "sub", "seq"),
)


@dataclass(slots=True)
class JobChanges:
    """Rows of events and attempts, and what changed in the statistics.

    `late` are the jobs whose attempts have to be folded again from all of their events, `withdrawn` the
    statistics that a job left.
    """

    events: list[tuple[Any, ...]] = field(default_factory=list)
    attempts: dict[StateKey, list[tuple[Any, ...]]] = field(default_factory=dict)
    late: set[StateKey] = field(default_factory=set)
    apps: set[tuple[int, str, str, str]] = field(default_factory=set)
    stats: dict[StatsKey, HourlyStats] = field(default_factory=dict)
    buckets: dict[tuple[StatsKey, int], int] = field(default_factory=dict)
    withdrawn: set[StatsKey] = field(default_factory=set)

    def add_event(self, event: Recorded, body: JobFact) -> None:
        """Add one row to the event timeline, and the name that it tells of its application."""
        site, job_id = event.key
        row = (
            event.partition,
            site,
            job_id,
            body.subjob_id,
            event.sequence,
            event.at,
            body.kind,
            body.status,
            body.started_at,
            body.ended_at,
            json_text(body.metrics) if body.metrics else "{}",
            json_text(body.metadata) if body.metadata else "{}",
        )
        self.events.append(row)
        self.apps.add((event.partition, site, body.app_id, body.app_name))

    def add_attempt(self, part: int, key: StateKey, attempt: Attempt) -> None:
        """Add an attempt that another one follows."""
        *begin, own, metrics = attempt
        row = (part, *ENTITY.full_key(key), *begin, json_text(own), json_text(metrics))
        self.attempts.setdefault(key, []).append(row)

    def count(self, site: str, before: JobState | None, after: JobState) -> None:
        """Count a job as it is now, and no longer as it was before."""
        if before is not None:
            self._add(site, before, -1)
        self._add(site, after, 1)

    def withdraw(self, site: str, job: JobState) -> None:
        """Count a job no longer."""
        self._add(site, job, -1)

    def _add(self, site: str, job: JobState, sign: int) -> None:
        if (ended := job.ended) is None:
            return
        key = stats_key_of(site, job, ended)
        self.stats.setdefault(key, HourlyStats()).add(job, ended, sign)
        if sign < 0:
            self.withdrawn.add(key)
        if ended.duration_s is not None:
            bucket = key, bucket_of(ended.duration_s)
            self.buckets[bucket] = self.buckets.get(bucket, 0) + sign
