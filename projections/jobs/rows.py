"""What a batch adds to the jobs read model beside the rows of jobs and subjobs."""

from dataclasses import dataclass, field
from typing import Any

from projections.bulk_upsert import json_text
from projections.jobs.hourly_stats import Cell, Tally, bucket_of, cell_of
from projections.jobs.state import Entity
from projections.recorded import Recorded
from schemas.jobs.facts import JobFact


@dataclass(slots=True)
class JobChanges:
    """Rows of the event timeline, and what changed in the statistics.

    A cell stays listed when its changes cancel out: which rows there are must not depend on batches.
    """

    events: list[tuple[Any, ...]] = field(default_factory=list)
    tallies: dict[Cell, Tally] = field(default_factory=dict)
    buckets: dict[tuple[Cell, int], int] = field(default_factory=dict)

    def add_event(self, event: Recorded, body: JobFact) -> None:
        """One row of the timeline."""
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

    def count(self, site: str, before: Entity | None, after: Entity) -> None:
        """A job has changed, and with it what it counts for."""
        if before is not None:
            self._add(site, before, -1)
        self._add(site, after, 1)

    def withdraw(self, site: str, job: Entity) -> None:
        """A job counts no longer."""
        self._add(site, job, -1)

    def _add(self, site: str, job: Entity, sign: int) -> None:
        if (cell := cell_of(site, job)) is None:
            return
        self.tallies.setdefault(cell, Tally()).add(job, sign)
        if (seconds := job.duration_s) is not None:
            place = cell, bucket_of(seconds)
            self.buckets[place] = self.buckets.get(place, 0) + sign
