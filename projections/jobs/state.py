"""The state of a job or a subjob: the columns of its row, as the fold sees them."""

from datetime import datetime
from typing import Annotated, Any, Final, Self

from msgspec import field
from msgspec.structs import replace

from projections.columns import CarriedFrom, Column, Integer, SmallInt, StoredState
from projections.state_table import StateTable
from schemas.jobs.facts import JobFact, Status


class JobState(StoredState):
    """The columns of the table `entity` after its key.

    `started_at` and `ended_at` are of the newest attempt.
    """

    part: SmallInt
    first_seq: int
    last_seq: int
    opened_at: Annotated[datetime, CarriedFrom("inserted_at")]  # store time of the first event, for good
    inserted_at: datetime  # store time of its newest own event
    inserted_seq: Annotated[int, CarriedFrom("last_seq")]  # sequence of that event: the place in the list
    last_event_at: datetime  # newest event time; of a job also that of its subjobs
    app_id: str
    app_name: str
    app_version: str | None
    key: str | None  # business key of a job, sub key of a subjob
    status: Status
    attempts: Integer
    started_at: datetime | None
    ended_at: datetime | None
    last_started_at: datetime | None  # the newest `started` of all attempts
    previous_ended_at: datetime | None  # the end of the attempt before
    errors: int
    metrics: dict[str, float] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    running: int = 0  # of a job: its subjobs by status
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0

    @classmethod
    def opened(cls, part: int, sequence: int, stored_at: datetime, at: datetime, body: JobFact) -> Self:
        """Return the state after the first event of any kind; an event of a subjob opens its job as well."""
        return cls(
            part=part,
            first_seq=sequence,
            last_seq=sequence,
            opened_at=stored_at,
            inserted_at=stored_at,
            inserted_seq=sequence,
            last_event_at=at,
            app_id=body.app_id,
            app_name=body.app_name,
            app_version=body.app_version,
            key=None,
            status="running",
            attempts=1,
            started_at=None,
            ended_at=None,
            last_started_at=None,
            previous_ended_at=None,
            errors=0,
        )

    def copy(self) -> "JobState":
        """Return a copy to fold into, which leaves the original as it was."""
        return replace(self)

    @property
    def duration_s(self) -> float | None:
        """Duration in seconds as the producer measured it, else from start to end; None while it runs."""
        told = self.metrics.get("duration_s")
        if told is not None:
            return told
        if self.started_at is None or self.ended_at is None:
            return None
        return max(0.0, (self.ended_at - self.started_at).total_seconds())


ENTITY: Final = StateTable(
    "entity", JobState, subkey="sub", computed=[Column("duration_s", "double precision", nullable=True)]
)
