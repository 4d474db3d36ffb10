"""Payloads of the job facts: the event of the jobs reference, for jobs and their subjobs alike.

The body is the whole documented event, with the entity in it. Unknown fields are tolerated and stay in the
stored fact.
"""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.subjects import TOKEN, Subject, hashed, token_of
from schemas.texts import EntityId, IndexedText, Name
from schemas.times import Timestamp

Kind = Literal["started", "progress", "metric", "finished", "error", "canceled"]
Status = Literal["running", "succeeded", "failed", "canceled"]

KINDS: Final[tuple[Kind, ...]] = ("started", "progress", "metric", "finished", "error", "canceled")
TERMINAL: Final = frozenset({"succeeded", "failed", "canceled"})
_PLAIN_KEY: Final = re.compile(r"[!-~]{1,256}")
_MAX_SECONDS: Final = 1e10


Number = Annotated[float, Field(allow_inf_nan=False)]
Duration = Annotated[float, Field(ge=0, le=_MAX_SECONDS, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class JobApp(_Part):
    """The program that runs."""

    app_id: Name
    name: Name
    version: IndexedText | None = None


class JobEntity(_Part):
    """What the event is about: a job, or a part of one."""

    type: Literal["job", "subjob"]
    id: EntityId
    parent_id: EntityId | None = None
    business_key: IndexedText | None = None
    sub_key: IndexedText | None = None

    @property
    def job_id(self) -> str:
        """The job; of a subjob the one it belongs to."""
        return self.id if self.type == "job" else self.parent_id or ""

    @property
    def subjob_id(self) -> str:
        """Empty for a job."""
        return self.id if self.type == "subjob" else ""


class JobMetrics(BaseModel):
    """Numbers by name; those every job collects are named here. A null says nothing."""

    model_config = ConfigDict(strict=True, extra="allow")
    __pydantic_extra__: dict[str, Number | None]

    duration_s: Duration | None = None
    cpu_user_s: Duration | None = None
    cpu_system_s: Duration | None = None
    mem_max_mb: Duration | None = None

    def told(self) -> dict[str, float]:
        """Those that say something."""
        said = {**vars(self), **(self.model_extra or {})}
        return {name: value for name, value in said.items() if value is not None}


class JobHappening(_Part):
    """What happened. `started_at` and `ended_at` are derived where the producer does not know better."""

    kind: Kind
    at: Timestamp | None = None
    status: Status | None = None
    started_at: Timestamp | None = None
    ended_at: Timestamp | None = None
    metrics: JobMetrics | None = None
    metadata: dict[str, Any] | None = None

    def told(self) -> dict[str, float]:
        """The metrics that say something."""
        return self.metrics.told() if self.metrics is not None else {}

    @property
    def outcome(self) -> Status | None:
        """The status this ends an attempt with; None when it goes on."""
        if self.kind == "canceled":
            return "canceled"
        if self.kind == "finished":
            return self.status or "succeeded"
        return self.status if self.kind != "started" and self.status in TERMINAL else None


class JobFact(_Part):
    """One event of a job or subjob."""

    idempotency_key: EntityId | None = None
    site_id: Annotated[str, Field(pattern=rf"^{TOKEN.pattern}$")] | None = None
    app: JobApp
    entity: JobEntity
    event: JobHappening

    @model_validator(mode="after")
    def _is_consistent(self) -> "JobFact":
        entity, event = self.entity, self.event
        if entity.type == "subjob" and entity.parent_id is None:
            raise ValueError("entity.parent_id: a subjob needs the id of its job")
        if event.kind == "finished" and event.status == "running":
            raise ValueError("event.status: what finished is succeeded, failed or canceled, not running")
        return self

    @property
    def timestamp(self) -> datetime | None:
        """When it happened, if the body says so."""
        return self.event.at

    @property
    def key(self) -> str | None:
        """The idempotency key as part of a message id, where only printable ASCII can stand."""
        key = self.idempotency_key
        return key if key is None or _PLAIN_KEY.fullmatch(key) else hashed(key)

    def subject(self, site: str) -> Subject:
        """Where it is published; `site` is for a body without one."""
        return Subject(self.site_id or site, "job", token_of(self.entity.job_id), self.event.kind)
