"""The specification of a job: the arguments of `Monitored`, checked before it runs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from foldline_client.bodies import mapping
from foldline_client.job_events import AppRef, EntityRef, EntityType, entity_id
from foldline_client.job_transports import job_transport
from foldline_client.options import Options

_DEFAULT_URL: Final = "http://localhost:8000"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """The arguments of `Monitored`. Raises TypeError or ValueError for those that cannot work."""

    app: AppRef
    entity_type: EntityType | None
    business_key: str | None
    sub_key: str | None
    parent_id: str | None
    id: str | None
    url: str | None
    metadata: Mapping[str, Any] | None
    flush_timeout: float
    options: Options

    def __post_init__(self) -> None:
        if not isinstance(self.app, AppRef):
            raise TypeError(f"app must be an AppRef, not {type(self.app).__name__}")
        if self.entity_type not in (None, "job", "subjob"):
            raise ValueError(f"entity_type {self.entity_type!r} is not 'job' or 'subjob'")
        mapping("metadata", self.metadata)
        if self.parent_id is not None:
            entity_id("parent_id", self.parent_id)
        if self.id is not None:
            entity_id("id", self.id)
        if self.url is not None:
            job_transport(self.url, self.options)  # a wrong address raises where it is written

    @property
    def address(self) -> str:
        """The address to report to: the argument, else the environment's, else a sidecar on this host."""
        environment = os.environ.get("FOLDLINE_URL") or os.environ.get("SIDECAR_URL")
        return self.url or environment or _DEFAULT_URL

    def entity(self, id_: str, job_id: str | None) -> EntityRef:
        """Return the subjob of `job_id` that runs under an id, or the job if there is no job around it."""
        if job_id is None and self.entity_type != "job":
            job_id = self.parent_id
        if job_id is not None:
            return EntityRef("subjob", id_, job_id, self.business_key, self.sub_key)
        return EntityRef("job", id_, self.parent_id, self.business_key, self.sub_key)
