"""The state of a job or a subjob: the columns of its row, as the fold sees them."""

from datetime import datetime
from typing import Annotated, Any, Final, NamedTuple, Self

from msgspec import field
from msgspec.structs import replace

from projections.columns import CarriedFrom, Column, Integer, SmallInt, StoredState
from projections.state_table import StateTable
from schemas.jobs.facts import JobFact, Status


class Ended(NamedTuple):
    """An attempt that has ended, as statistics count it."""

    status: Status
    ended_at: datetime
    duration_s: float | None
    cpu_s: float
    mem_mb: float | None


class JobState(StoredState):
    """The columns of the table `entity` after its key.

    Status, times and metrics are of the newest attempt. Earlier ones are rows of `attempt`.
    """

    part: SmallInt
    first_seq: int
    last_seq: int
    opened_at: Annotated[datetime, CarriedFrom("inserted_at")]  # store time of the first event, for good
    inserted_at: datetime  # store time of its newest own event
    inserted_seq: Annotated[int, CarriedFrom("last_seq")]  # sequence of that event: the place in the list
    last_event_at: datetime  # newest event time; of a job also that of its subjobs
    newest_at: Annotated[datetime | None, CarriedFrom("last_event_at")]  # of its own events; None without any
    app_id: str
    app_name: str
    app_version: str | None
    key: str | None  # business key of a job, sub key of a subjob
    key_at: datetime | None  # event time of the event that told the key
    status: Status
    attempts: Integer
    errors: int
    failed_before: Integer = 0  # earlier attempts that failed
    lost_before: Integer = 0  # earlier attempts that never told their end
    # The newest attempt. `begun_*` and `end_at` decide, `started_at` and `ended_at` are shown.
    begun_seq: int = 0  # sequence of its `started`, which names it; 0 without one
    begun_at: Annotated[datetime | None, CarriedFrom("started_at")] = None
    started_at: datetime | None = None
    start_told: bool = False  # `started_at` is what a producer told, not the time of the event
    first_end_at: Annotated[datetime | None, CarriedFrom("ended_at")] = None
    end_at: Annotated[datetime | None, CarriedFrom("ended_at")] = None
    end_explicit: bool = False  # the end has a status of its own
    ended_at: datetime | None = None
    # The newest attempt that ended, while another one runs.
    previous_status: str | None = None
    previous_ended_at: datetime | None = None
    previous_s: float | None = None
    previous_cpu_s: float | None = None
    previous_mb: float | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    # Event time of the newest value of each name, microseconds; 0 if only earlier attempts have the name.
    metric_times: dict[str, int] = field(default_factory=dict)
    metadata_times: dict[str, int] = field(default_factory=dict)
    large: dict[str, int] = field(default_factory=dict)  # names that take much room, and the most they took
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
            newest_at=None,
            app_id=body.app_id,
            app_name=body.app_name,
            app_version=body.app_version,
            key=None,
            key_at=None,
            status="running",
            attempts=1,
            errors=0,
        )

    def copy(self) -> "JobState":
        """Return a copy to fold into, which leaves the original as it was."""
        return replace(self)

    @property
    def duration_s(self) -> float | None:
        """Duration in seconds as the producer measured it, else from start to end; None while it runs."""
        told: float | None = self.metrics.get("duration_s")
        if told is not None:
            return told
        if self.started_at is None or self.ended_at is None:
            return None
        return max(0.0, (self.ended_at - self.started_at).total_seconds())

    @property
    def is_lost(self) -> bool:
        """Whether somebody concluded that the newest attempt is lost."""
        return self.status == "failed" and self.metadata.get("error_type") == "lost"

    @property
    def failed_attempts(self) -> int:
        """How many attempts failed, without those that were lost."""
        return self.failed_before + (self.status == "failed" and not self.is_lost)

    @property
    def lost_attempts(self) -> int:
        """How many attempts were lost: another one followed, or somebody concluded it."""
        return self.lost_before + self.is_lost

    @property
    def ended(self) -> Ended | None:
        """The newest attempt that has ended, if one has."""
        if self.ended_at is not None:
            metrics = self.metrics
            cpu = metrics.get("cpu_user_s", 0.0) + metrics.get("cpu_system_s", 0.0)
            return Ended(self.status, self.ended_at, self.duration_s, cpu, metrics.get("mem_max_mb"))
        if self.previous_ended_at is None:
            return None
        return Ended(
            self.previous_status,  # type: ignore[arg-type]  # written by `remember` below
            self.previous_ended_at,
            self.previous_s,
            self.previous_cpu_s or 0.0,
            self.previous_mb,
        )

    def remember(self, ended: Ended | None) -> None:
        """Keep the newest attempt that ended, while another one runs."""
        (
            self.previous_status,
            self.previous_ended_at,
            self.previous_s,
            self.previous_cpu_s,
            self.previous_mb,
        ) = ended or (None,) * 5

    @property
    def ended_hour(self) -> datetime | None:
        """The hour (UTC) under which statistics count it."""
        at = self.ended_at or self.previous_ended_at
        return None if at is None else at.replace(minute=0, second=0, microsecond=0)

    @property
    def ended_s(self) -> float | None:
        """The duration that statistics count."""
        return self.duration_s if self.ended_at is not None else self.previous_s

    @property
    def ended_mb(self) -> float | None:
        """The peak of memory that statistics count, in megabytes."""
        return self.metrics.get("mem_max_mb") if self.ended_at is not None else self.previous_mb


ENTITY: Final = StateTable(
    "entity",
    JobState,
    subkey="sub",
    computed=[
        Column("duration_s", "double precision", nullable=True),
        Column("ended_hour", "timestamptz", nullable=True),
        Column("ended_s", "double precision", nullable=True),
        Column("ended_mb", "double precision", nullable=True),
    ],
)
