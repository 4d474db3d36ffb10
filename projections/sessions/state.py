"""The state of a session: the columns of its row, as the fold sees them, without timelines and heartbeats."""

from datetime import datetime
from typing import Any, Self

from msgspec import Struct
from msgspec.structs import replace


class Session(Struct):
    """The columns of the table `session` after its key, in the order of the query `load-sessions`."""

    part: int
    first_seq: int
    last_seq: int
    created_seq: int | None
    created_at: datetime
    touched_at: datetime
    ended_at: datetime | None
    crashed: bool
    hung_seq: int | None
    hung_stored_at: datetime | None
    ever_hung: bool
    ever_recovered: bool
    machine_id: str | None
    hostname: str | None
    events: int
    metrics: int
    state: dict[str, Any]
    weight: int = 0  # bytes of the state as JSON, when last read or written

    @classmethod
    def opened(cls, part: int, sequence: int, at: datetime) -> Self:
        """Return the session after its first fact of any kind."""
        return cls(
            part,
            sequence,
            sequence,
            created_seq=None,
            created_at=at,
            touched_at=at,
            ended_at=None,
            crashed=False,
            hung_seq=None,
            hung_stored_at=None,
            ever_hung=False,
            ever_recovered=False,
            machine_id=None,
            hostname=None,
            events=0,
            metrics=0,
            state={},
        )

    def at(self, sequence: int) -> "Session":
        """Return a copy at `sequence` to fold into, which leaves the original as it was."""
        return replace(self, last_seq=sequence)
