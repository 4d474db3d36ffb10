"""The bodies that the operators' routes answer with, for OpenAPI. Nothing is encoded by them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict


class Alive(TypedDict):
    """This process answers."""

    status: Literal["healthy"]
    service: Literal["foldline"]
    version: str


class Generation(TypedDict):
    """A generation of a read model."""

    role: Literal["live", "building", "old"]
    number: int
    version: Annotated[int, Field(description="Version of the projection that folds it.")]
    cancelled: bool
    began_at: datetime


class FollowerState(TypedDict):
    """Who folds a projection, and how far it is behind."""

    owners: Annotated[dict[str, list[int]], Field(description="Partitions by the consumer that holds them.")]
    unheld: Annotated[list[int], Field(description="Partitions that no consumer holds.")]
    parked: Annotated[int, Field(description="The number of parked entities.")]
    lag_events: Annotated[dict[str, int], Field(description="Events that are not folded yet, by stream.")]
    lag_seconds: Annotated[float, Field(description="The age of the oldest of them.")]


class ProjectionState(TypedDict):
    """A projection: generations, pauses, who folds it."""

    name: str
    version: Annotated[int, Field(description="The version that this program folds.")]
    generations: list[Generation]
    paused: Annotated[dict[str, list[int]], Field(description="Paused partitions by reason.")]
    follower: FollowerState


class ProjectionList(TypedDict):
    """All projections that are installed."""

    projections: list[ProjectionState]


class Paused(TypedDict):
    """The number of partitions that were not paused for this reason before."""

    paused: int


class Resumed(TypedDict):
    """The number of partitions that were paused."""

    resumed: int


class Dropped(TypedDict):
    """The generation that was dropped."""

    dropped: Literal["old", "building"]


class Cancelled(TypedDict):
    """Whether there was a rebuild to cancel."""

    cancelled: bool


class FoldedEvents(TypedDict):
    """The number of events that took effect."""

    events: int


class ParkedEntity(TypedDict):
    """An entity, and the event whose fold raised."""

    site: str
    id: str
    partition: int
    stream: str
    sequence: int
    error: str
    waiting: Annotated[int, Field(description="The number of events from that one on.")]


class ParkedEntities(TypedDict):
    """All parked entities of a projection."""

    items: list[ParkedEntity]


class _Folding(TypedDict):
    projection: str
    phase: Literal["folding", "switching", "comparing", "done"]
    events: Annotated[int, Field(description="The number of events that are folded.")]
    total: Annotated[int, Field(description="The number of events to fold.")]
    carried: Annotated[int, Field(description="Entities older than the line, copied as they are.")]


class FoldingProgress(_Folding):
    """How far a rebuild or a verification is."""

    rate: Annotated[float, Field(description="Events a second.")]
    eta: Annotated[float | None, Field(description="Seconds until everything is folded; null: unknown.")]
    elapsed: Annotated[float, Field(description="Seconds since it began.")]


class RebuildEnd(TypedDict):
    """The end of a rebuild."""

    generation: Annotated[int, Field(description="The number of the generation that is live now.")]


class RebuildDone(FoldingProgress, RebuildEnd):
    """The end of a rebuild, with its last progress."""


class Failure(TypedDict):
    """The end of a task that failed."""

    details: str


class RebuildState(_Folding):
    """A rebuild under way, in whichever process."""

    generation: int
    version: int
    began_at: datetime
    cancelled: bool
    running: Annotated[bool, Field(description="Whether a process folds it now.")]


class ComparedColumn(TypedDict):
    """A value in the read model, and the value that the line gives; as text, null for none."""

    there: str | None
    line: str | None


class RowDifference(TypedDict):
    """A row that is not what the line gives."""

    table: str
    kind: Literal["changed", "missing", "extra"]
    key: dict[str, str | None]
    columns: dict[str, ComparedColumn]


class Verification(TypedDict):
    """The result of a verification."""

    projection: str
    equal: bool
    position: Annotated[str, Field(description="Up to where it was checked, as a Foldline-Position.")]
    carried: Annotated[int, Field(description="Entities older than the line, which were not checked.")]
    rows: Annotated[dict[str, int], Field(description="Rows compared, by table.")]
    total: Annotated[int, Field(description="The number of all differences.")]
    differences: Annotated[list[RowDifference], Field(description="The first of them, up to `limit`.")]
    elapsed: Annotated[float, Field(description="Seconds.")]


class Dismissal(TypedDict):
    """Why and when a rejected event was hidden."""

    reason: str
    at: datetime


class _Reason(TypedDict):
    projection: str
    partition: int
    reason: Annotated[str, Field(description="A stable word.")]
    details: Annotated[str, Field(description="A sentence for people.")]
    dismissed: Dismissal | None


class RejectedItem(_Reason):
    """An event without effect, as it is listed."""

    stream: str
    sequence: int
    subject: str
    stored_at: datetime


class RejectedPage(TypedDict):
    """A page of rejected events, newest first."""

    items: list[RejectedItem]
    total: Annotated[int, Field(description="The number of all that match.")]
    counts: Annotated[dict[str, int], Field(description="The numbers of all that match, by reason.")]
    next_cursor: Annotated[str | None, Field(description="Leads to the next page; null on the last.")]


class Rejection(_Reason):
    """One projection's reason to set an event aside."""


class RejectedEvent(TypedDict):
    """A rejected event as it was published, and why it has no effect."""

    position: str
    subject: str
    stored_at: datetime
    headers: dict[str, str]
    encoding: Annotated[Literal["json", "text", "base64"], Field(description="The form of `body`.")]
    body: Any
    rejected: list[Rejection]


class Retried(TypedDict):
    """The fact that was published in the place of a rejected event."""

    position: str
    duplicate: Annotated[bool, Field(description="The same correction had been published before.")]
    retry_of: Annotated[str, Field(description="The position of the rejected event.")]


class Dismissed(TypedDict):
    """The reason for which an event is hidden; null when it is shown."""

    dismissed: str | None
