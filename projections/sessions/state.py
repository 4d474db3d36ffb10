"""A session as the fold sees it: the columns of its row, without timelines and heartbeats."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True, kw_only=True)
class Session:
    """Mirror of the table `session`; field order is the order of `load-sessions`."""

    part: int
    first_seq: int
    last_seq: int
    created_seq: int | None = None
    created_at: datetime
    touched_at: datetime
    ended_at: datetime | None = None
    crashed: bool = False
    hung_seq: int | None = None
    hung_stored_at: datetime | None = None
    ever_hung: bool = False
    ever_recovered: bool = False
    machine_id: str | None = None
    hostname: str | None = None
    events: int = 0
    metrics: int = 0
    state: dict[str, Any]
    weight: int = field(default=0, compare=False)  # bytes of the state as JSON, when last read or written
