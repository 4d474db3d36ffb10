"""Items of the buffer: each is one fact of one session, complete before the first try to send it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

CREATED: Final = "created"
STATE: Final = "state"
EVENT: Final = "event"
METRIC: Final = "metric"
HEARTBEAT: Final = "heartbeat"
CRASHED: Final = "crashed"
ENDED: Final = "ended"

OWN_CLOCK: Final = {"Foldline-Clock": "own"}
"""Says that a fact's time was read from this host's clock: wrong as it may be, it is no reason to refuse."""

_OVERHEAD: Final = 256  # roughly what an item costs in memory beside its body


@dataclass(slots=True)
class SessionRef:
    """One session (or job) as the sending side knows it."""

    id: str
    positions: dict[str, int] = field(default_factory=dict)
    """The newest acknowledged sequence by `<stream>/<partition>`."""

    def reached(self, place: str, sequence: int) -> None:
        """Note that the line stores this session's facts up to `sequence` of `place`."""
        if sequence > self.positions.get(place, 0):
            self.positions[place] = sequence

    def position(self) -> str:
        """Return the `Foldline-Min-Position` of a read that is to show everything acknowledged so far."""
        return ",".join(f"{place}:{sequence}" for place, sequence in list(self.positions.items()))


@dataclass(slots=True)
class Item:
    """A fact with the key and time that every try repeats, so that a retry has no second effect."""

    ref: SessionRef
    fact: str
    body: bytes
    key: str
    time: str | None = None
    """The event time of facts whose body has none (`Foldline-Time`)."""
    server_faults: int = 0
    """How often the server answered that it failed itself (HTTP 500)."""

    @property
    def size(self) -> int:
        """The bytes that count against the buffer's bound."""
        return len(self.body) + _OVERHEAD

    def message_id(self, site: str) -> str:
        """Return the id under which JetStream and the read models know the fact."""
        return f"{site}:session:{self.ref.id}:{self.key}"


def time_text(when: datetime | None = None) -> str:
    """Return a time (now unless told) as RFC 3339 text in UTC, with six digits and Z."""
    utc = datetime.now(UTC) if when is None else when.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:-6] + "Z"
