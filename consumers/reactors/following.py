"""The handler of a following reactor: the engine's batches, concluded from and then passed."""

from collections.abc import Mapping, Sequence

from consumers.engine.handler import More, no_more
from consumers.engine.leases import Leases, reached_by
from consumers.reactors.declaration import Conclude, Following
from consumers.reactors.outcomes import Outcomes
from line.raw_event import RawEvent
from runtime.database.connections import Connection


class FollowingHandler:
    """Implements Handler: the checkpoints of a batch are committed when its conclusions are drawn."""

    version = None

    def __init__(self, reactor: Following, conclude: Conclude, outcomes: Outcomes) -> None:
        self.name = reactor.name
        self.streams = reactor.streams
        self.linger = reactor.linger
        self._conclude = conclude
        self._outcomes = outcomes

    def take_rejected(self) -> Mapping[str, Sequence[int]]:
        """Return nothing: a reactor rejects no event."""
        return {}

    def forget(self) -> None:
        """Do nothing: a reactor remembers nothing between batches."""

    def prefetch(self, event: RawEvent) -> None:
        """Do nothing: no work ahead is worth keeping."""

    async def apply(
        self, writer: Connection, events: Sequence[RawEvent], leases: Leases, more: More = no_more
    ) -> None:
        """Draw the conclusions of a batch, then commit its checkpoints. Raises NotYet, Fenced."""
        epochs = leases.epochs({event.partition for event in events})
        # The fence alone would let a paused reactor publish what it has read until it hears of the pause.
        await leases.check(writer, epochs)
        with self._outcomes.measured(self.name):
            await self._conclude(writer, events)
        reached = reached_by(events, epochs)
        async with writer.transaction():
            await leases.fence(writer, reached)
        leases.advance(reached)
