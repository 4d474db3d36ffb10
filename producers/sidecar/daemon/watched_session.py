"""A session as the daemon knows it: its record on disk, and what this process adds."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

from producers.sidecar.daemon.aggregates import Aggregate
from producers.sidecar.daemon.counters import Counter
from producers.sidecar.daemon.histograms import Histogram
from producers.sidecar.daemon.state_filter import StateFilter

AGGREGATE: TypeAdapter[Counter | Histogram] = TypeAdapter(
    Annotated[Counter | Histogram, Field(discriminator="kind")]
)


class SessionRecord(BaseModel):
    """The part of a session that outlives a restart. Times are RFC 3339 texts, as they are published."""

    id: str
    product: str
    version: str
    parent_pid: int
    birth: str | None  # of the parent process, see `parent_process`
    created_at: str
    updated_at: str
    last_heartbeat: str | None = None  # of the application
    paused: bool = False
    hung: bool = False
    ending: Literal["ended", "crashed"] | None = None
    ending_at: str | None = None


@dataclass(slots=True)
class WatchedSession:
    """A session that has not ended. Whoever changes or sends something of it holds `lock`.

    `silent_since` and `beaten_at` are in seconds of the monotonic clock, which stands still while the machine
    sleeps: what wakes up is not hung.
    """

    record: SessionRecord
    silent_since: float
    sent: StateFilter
    aggregates: dict[str, Aggregate] = field(default_factory=dict)
    unsent: set[str] = field(default_factory=set)  # keys of aggregates whose total is not sent
    beaten_at: float | None = None  # when the line last took our heartbeat
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def view(self) -> dict[str, Any]:
        """Return the answer of `GET /session`. Events and metrics are on the line, not here."""
        record = self.record
        return {
            "id": record.id,
            "session_id": record.id,
            "product": record.product,
            "version": record.version,
            "parent_pid": record.parent_pid,
            "created_at": record.created_at,
            "updated_at": record.updated_at,
            "last_heartbeat": record.last_heartbeat,
            "active": True,
            "hung": record.hung,
            "heartbeat_paused": record.paused,
            "state": self.sent.state(),
            "events": [],
            "metrics": [],
        }
