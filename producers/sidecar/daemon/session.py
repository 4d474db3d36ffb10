"""A session as the daemon knows it: what is kept on disk, and what this process adds."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

from producers.sidecar.daemon.counters import Counter
from producers.sidecar.daemon.histograms import Histogram
from producers.sidecar.daemon.sent import Sent

Tally = Annotated[Counter | Histogram, Field(discriminator="kind")]
TALLY: TypeAdapter[Counter | Histogram] = TypeAdapter(Tally)


class Record(BaseModel):
    """What is known of a session after a restart. Times are texts as they travel."""

    id: str
    product: str
    version: str
    parent_pid: int
    birth: str | None  # of the parent, see `parents`
    created_at: str
    updated_at: str
    last_heartbeat: str | None = None  # of the application
    paused: bool = False
    hung: bool = False
    ending: Literal["ended", "crashed"] | None = None
    ending_at: str | None = None


@dataclass(slots=True)
class Session:
    """A session that has not ended. Whoever changes or sends something of it holds `lock`.

    `silent_since` and `beaten_at` are in seconds of the monotonic clock, which stands still while the machine
    sleeps: what wakes up is not hung.
    """

    record: Record
    silent_since: float
    sent: Sent
    tallies: dict[str, Counter | Histogram] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)  # keys of tallies whose total is not sent
    beaten_at: float | None = None  # when the line last took our heartbeat
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def view(self) -> dict[str, Any]:
        """What `GET /session` shows. Events and metrics are on the line, not here."""
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
