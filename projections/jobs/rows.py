"""Rows a batch adds to the jobs read model, beside those of jobs and subjobs."""

from dataclasses import dataclass, field
from typing import Any, Final

from projections.binary_copy import json_text
from projections.columns import Column
from projections.jobs.hourly_stats import HourlyStats, StatsKey, bucket_of, stats_key_of
from projections.jobs.state import JobState
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
        Column("metrics", "json"),
        Column("metadata", "json"),
    ],
    key=("site", "id", "seq"),
)


@dataclass(slots=True)
class JobChanges:
    """Rows of the event timeline, and what changed in the statistics.

    A key stays when its changes cancel out: which rows there are must not depend on batches.
    """

    events: list[tuple[Any, ...]] = field(default_factory=list)
    stats: dict[StatsKey, HourlyStats] = field(default_factory=dict)
    buckets: dict[tuple[StatsKey, int], int] = field(default_factory=dict)
    left_apps: set[tuple[int, str, str, str]] = field(default_factory=set)

    def add_event(self, event: Recorded, body: JobFact) -> None:
        """Add one row to the event timeline."""
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
            json_text(body.metrics),
            json_text(body.metadata),
        )
        self.events.append(row)

    def count(self, site: str, before: JobState | None, after: JobState) -> None:
        """Count a job as it is now, and no longer as it was before."""
        if before is not None:
            self._add(site, before, -1)
        self._add(site, after, 1)

    def leave_app(self, site: str, before: JobState) -> None:
        """Keep the name of an application that a job or subjob had until now.

        The name it has at the end of the batch is written with its row: which names there are must not depend
        on batches either.
        """
        self.left_apps.add((before.part, site, before.app_id, before.app_name))

    def withdraw(self, site: str, job: JobState) -> None:
        """Count a job no longer."""
        self._add(site, job, -1)

    def _add(self, site: str, job: JobState, sign: int) -> None:
        if (key := stats_key_of(site, job)) is None:
            return
        self.stats.setdefault(key, HourlyStats()).add(job, sign)
        if (seconds := job.duration_s) is not None:
            bucket = key, bucket_of(seconds)
            self.buckets[bucket] = self.buckets.get(bucket, 0) + sign
