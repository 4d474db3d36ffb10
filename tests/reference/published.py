"""A fact as a producer published it, with what the line answered."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Published:
    """One stored fact. Sequences are those of its stream: heartbeats have one of their own."""

    subject: str  # as published: ev.<site>.session.<id>.<fact>
    body: bytes
    seq: int
    stored_at: datetime
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def session_id(self) -> str:
        return self.subject.split(".")[3]

    @property
    def fact(self) -> str:
        return self.subject.rpartition(".")[2]
