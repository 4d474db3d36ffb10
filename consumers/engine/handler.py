"""The handler of a follower's events: a projector, or a following reactor."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from consumers.engine.leases import Leases
from line.raw_event import RawEvent
from runtime.database.connections import Connection
from schemas.streams import Stream

More = Callable[[], Sequence[RawEvent]]
"""Takes another batch for the transaction under way, of partitions held now; empty ends the transaction."""


def no_more() -> Sequence[RawEvent]:
    """Give each batch a transaction of its own."""
    return ()


class NotYet(RuntimeError):
    """A handler or a reactor cannot act now, for the reason given: the same is tried again after a pause."""


class Handler(Protocol):
    """A consumer of batches. `apply` commits their effect together with their checkpoints, or raises."""

    @property
    def name(self) -> str:
        """The follower's name in leases, metrics and logs."""

    @property
    def version(self) -> int | None:
        """The version of what it folds: only leases of that version are taken."""

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams it reads."""

    @property
    def linger(self) -> float:
        """The time a batch may wait for more events while they keep coming, seconds."""

    def prefetch(self, event: RawEvent) -> None:
        """Do what can be done before the event's turn, which may come late, or never."""

    async def apply(
        self, writer: Connection, events: Sequence[RawEvent], leases: Leases, more: More = no_more
    ) -> None:
        """Apply events and commit their effect with the checkpoints; the last statement is the fence.

        Events come in the order of their partition. The epochs must be noted before the first await: later
        ones may belong to other leases. A handler may ask for `more` as often as it likes; whatever it was
        given becomes effective together.
        """

    def take_rejected(self) -> Mapping[str, Sequence[int]]:
        """Return the sequences of events that were committed as rejected since the last call, by stream."""

    def forget(self) -> None:
        """Drop whatever is remembered: events may come again from the checkpoints."""
