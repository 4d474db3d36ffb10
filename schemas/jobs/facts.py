"""The body of the job facts: the event of the jobs reference, for jobs and their subjobs.

The body is the whole documented event, including the entity. Unknown fields are tolerated and stay in the
stored fact.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Required

from msgspec import Struct
from pydantic import ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from schemas.family import FactType
from schemas.jobs.streams import JOBS
from schemas.numbers import Number, NumberType
from schemas.subjects import TOKEN, Subject, hashed, token_of
from schemas.texts import EntityId, IndexedText, Name, check_texts, is_plain
from schemas.times import Timestamp
from schemas.validation import InvalidFact

Kind = Literal["started", "progress", "metric", "finished", "error", "canceled"]
Status = Literal["running", "succeeded", "failed", "canceled"]

KINDS: Final[tuple[Kind, ...]] = ("started", "progress", "metric", "finished", "error", "canceled")
_GOES_ON: Final[tuple[Status, ...]] = ("running",)
STATUSES: Final[Mapping[Kind, tuple[Status, ...]]] = MappingProxyType(
    {
        "started": _GOES_ON,
        "progress": _GOES_ON,
        "metric": ("running", "succeeded", "failed", "canceled"),
        "finished": ("succeeded", "failed", "canceled"),
        "error": ("running", "failed", "canceled"),
        "canceled": ("canceled",),
    }
)
"""The statuses that an event of each kind may have. A metric only repeats one: it never ends a job."""
_PLAIN_KEY: Final = re.compile(r"[!-~]{1,256}")
_MAX_SECONDS: Final = 10**10
_STRICT: Final = ConfigDict(strict=True)

Duration = Annotated[float, NumberType(0, _MAX_SECONDS)]


# These are read for every event: pydantic makes dictionaries in half the time of models.
class JobApp(TypedDict, total=False):
    """The program that runs."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    app_id: Required[Name]
    name: Required[Name]
    version: IndexedText | None


class JobEntity(TypedDict, total=False):
    """The job or subjob that the event is about."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    type: Required[Literal["job", "subjob"]]
    id: Required[EntityId]
    parent_id: EntityId | None
    business_key: IndexedText | None
    sub_key: IndexedText | None


class JobMetrics(TypedDict, total=False, extra_items=Number | None):  # type: ignore[call-arg]
    """Numbers by name; the fields are those that every job collects. A null counts as missing."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    duration_s: Duration | None
    cpu_user_s: Duration | None
    cpu_system_s: Duration | None
    mem_max_mb: Duration | None


class JobHappening(TypedDict, total=False):
    """The event itself: what happened and when.

    `started_at` and `ended_at` are derived unless the producer sends them.
    """

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    kind: Required[Kind]
    at: Timestamp | None
    status: Status | None
    started_at: Timestamp | None
    ended_at: Timestamp | None
    metrics: JobMetrics | None
    metadata: dict[str, Any] | None


class JobEvent(TypedDict, total=False):
    """One event of a job or subjob."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    idempotency_key: EntityId | None
    site_id: Annotated[str, Field(pattern=rf"^{TOKEN.pattern}$")] | None
    app: Required[JobApp]
    entity: Required[JobEntity]
    event: Required[JobHappening]


_validated: Final = TypeAdapter(JobEvent).validator.validate_json


class JobFact(Struct, frozen=True, gc=False):
    """A validated job event, flattened for folding."""

    site_id: str | None
    idempotency_key: str | None
    app_id: str
    app_name: str
    app_version: str | None
    type: Literal["job", "subjob"]
    id: str
    job_id: str  # a subjob has that of its job
    subjob_id: str  # empty for a job
    entity_key: str | None  # business key of a job, sub key of a subjob
    kind: Kind
    timestamp: datetime | None
    status: Status | None
    started_at: datetime | None
    ended_at: datetime | None
    metrics: dict[str, float]
    metadata: dict[str, Any]

    @classmethod
    def parse(cls, body: bytes) -> "JobFact":
        """Read an event. Raises InvalidFact or pydantic's ValidationError."""
        document: JobEvent = _validated(body)
        if not is_plain(body):
            check_texts(JobEvent, document)
        app, entity, event = document["app"], document["entity"], document["event"]
        kind, id_, job_id, subjob_id = entity["type"], entity["id"], entity["id"], ""
        if kind == "subjob":
            parent = entity.get("parent_id")
            if parent is None:
                raise InvalidFact("invalid_field", "entity.parent_id: a subjob needs the id of its job")
            job_id, subjob_id = parent, id_
        status = event.get("status")
        if status is not None and status not in STATUSES[event["kind"]]:
            raise _contradiction(event["kind"], status)
        return cls(
            document.get("site_id"),
            document.get("idempotency_key"),
            app["app_id"],
            app["name"],
            app.get("version"),
            kind,
            id_,
            job_id,
            subjob_id,
            entity.get("sub_key") if subjob_id else entity.get("business_key"),
            event["kind"],
            event.get("at"),
            status,
            event.get("started_at"),
            event.get("ended_at"),
            _without_nulls(event.get("metrics")),
            event.get("metadata") or {},
        )

    @property
    def outcome(self) -> Status | None:
        """The status that this event ends an attempt with; None if the attempt goes on."""
        return outcome_of(self.kind, self.status)

    @property
    def key(self) -> str | None:
        """The idempotency key in the form of message ids, which are printable ASCII: itself, or its hash."""
        key = self.idempotency_key
        return key if key is None or _PLAIN_KEY.fullmatch(key) else hashed(key)

    def subject(self, site: str) -> Subject:
        """Return the subject to publish under; `site` is used if the body has none."""
        return Subject(self.site_id or site, "job", token_of(self.job_id), self.kind)


def outcome_of(kind: Kind, status: Status | None) -> Status | None:
    """Return the status that an event ends an attempt with; None if the attempt goes on."""
    if kind == "finished":
        return status or "succeeded"
    if kind == "canceled":
        return "canceled"
    return status if kind == "error" and status != "running" else None


def _contradiction(kind: Kind, status: Status) -> InvalidFact:
    *others, last = STATUSES[kind]
    fitting = f"{', '.join(others)} or {last}" if others else last
    return InvalidFact(
        "invalid_field", f"event.status: {status} contradicts the kind {kind}, which goes with {fitting}"
    )


def guess_job_id(document: Any) -> Any:
    """Return the id of the job that a document is about, if it were valid; whatever is there in its place.

    Raises LookupError, TypeError.
    """
    entity = document["entity"]
    return entity["parent_id"] if entity["type"] == "subjob" else entity["id"]


def _without_nulls(metrics: Any) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if value is not None} if metrics else {}


def _drop_times(document: Any) -> None:
    document.pop("idempotency_key", None)
    document.pop("site_id", None)
    event = document["event"]
    for time in ("at", "started_at", "ended_at"):
        event.pop(time, None)


FACTS: Final = tuple(
    FactType(kind, JOBS, JobFact.parse, JobEvent, JobEvent, drop_times=_drop_times) for kind in KINDS
)
"""The facts of a job: one form for all kinds."""
