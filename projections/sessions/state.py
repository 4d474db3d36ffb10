"""The state of a session: the columns of its row, as the fold sees them, without timelines and heartbeats."""

from datetime import datetime
from typing import Annotated, Any, Final, Self

from msgspec.structs import replace

from projections.binary_copy import json_text
from projections.columns import NO_COLUMN, Column, SmallInt, StoredState
from projections.state_table import StateTable

UNKNOWN: Final = -1


class Session(StoredState):
    """The columns of the table `session` after its key."""

    part: SmallInt
    first_seq: int
    last_seq: int
    created_seq: int | None  # None until the `created` fact came
    created_at: datetime  # event time of `created`, until then of the first fact
    touched_at: datetime  # newest event time of any fact but heartbeats
    ended_at: datetime | None
    crashed: bool
    hung_seq: int | None  # sequence of the event that made it hung; None = not hung
    hung_stored_at: datetime | None  # store time of that event: liveness compares store times
    ever_hung: bool
    ever_recovered: bool
    machine_id: str | None
    hostname: str | None
    events: int  # how many rows the timelines hold
    metrics: int
    timelines_size: int  # characters of the JSON of their rows and of patches, and 100 for each
    state: dict[str, Any]
    state_size: Annotated[int, NO_COLUMN] = UNKNOWN  # bytes of `state` as JSON

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
            timelines_size=0,
            state={},
        )

    def at(self, sequence: int) -> "Session":
        """Return a copy at `sequence` to fold into, which leaves the original as it was."""
        return replace(self, last_seq=sequence)

    @property
    def product(self) -> str | None:
        """What lists filter by: a text of the state, another value as JSON."""
        return _text(self.state.get("product"))

    @property
    def version(self) -> str | None:
        """What lists filter by, as `product`."""
        return _text(self.state.get("version"))


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json_text(value)


SESSION: Final = StateTable(
    "session",
    Session,
    computed=[Column("product", "text", nullable=True), Column("version", "text", nullable=True)],
)
