"""A transaction: one batch, or several while more wait, committed together with the checkpoints."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic

from consumers.engine.batch import Batch
from consumers.engine.folding import Folded, Folding
from consumers.engine.leases import Fenced, Leases, Reached, reached_by
from consumers.engine.message_ids import forget_old
from consumers.engine.outcome import Outcome
from consumers.engine.parking import Failures, Parked, Parking
from consumers.engine.state_cache import StateCache
from consumers.engine.writing import Writing
from projections.projection import Changes, Projection, State, StateKey
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries

NextBatch = Callable[[], Awaitable[Batch | None]]
"""The next batch for the transaction under way; None ends it."""

_BYTES: Final = 32 << 20  # of events in one transaction: states hold what they say
_WEIGHT: Final = 64 << 20  # of states, as they were loaded or last written
_FORGET_EVERY: Final = 1_000  # commits


async def no_other_batch() -> None:
    """End the transaction after its first batch."""


class Transaction(Generic[State]):
    """The result of the batches of one transaction so far: all of it counts when that commits.

    `states` are the newest of all batches; their rows are written once, at the end.
    """

    def __init__(self, follower: str, parked: Parked, weigh: Callable[[State], int]) -> None:
        self.states: dict[StateKey, State | None] = {}
        self.outcomes: list[Outcome] = []
        self._follower = follower
        self._parked = parked
        self._weigh = weigh
        self._reached: Reached | None = None
        self._events = self._size = self._weight = 0

    @property
    def reached(self) -> Reached:
        """The checkpoints that the transaction leads to."""
        if self._reached is None:
            raise RuntimeError("nothing was folded")
        return self._reached

    @property
    def parked(self) -> Parked:
        """The parked entities as the last batch left them, or as they were before the first one."""
        return self.outcomes[-1].parked if self.outcomes else self._parked

    def check(self, batch: Batch) -> None:
        """Refuse a batch whose partition was lost and taken again meanwhile: its events may be here already.

        Raises Fenced.
        """
        before = self._reached.epochs if self._reached is not None else {}
        if any(before.get(part, epoch) != epoch for part, epoch in batch.epochs.items()):
            raise Fenced(f"{self._follower}: a lease among {sorted(batch.epochs)} moved on")

    def add(self, batch: Batch, folded: Folded[State, Any]) -> None:
        """Note a batch that is written, but for the rows of its states."""
        events = [item.raw for item in batch.items]
        reached = reached_by(events, batch.epochs)
        self._reached = reached if self._reached is None else self._reached.then(reached)
        before = self.states
        self._weight += sum(
            [
                self._weigh(state)
                for key, state in folded.states.items()
                if state is not None and key not in before
            ]
        )
        self.states |= folded.states
        self.outcomes.append(folded.outcome)
        self._events += len(events)
        self._size += sum([len(event.body) for event in events])

    def takes_more(self, most: int) -> bool:
        """Whether another batch may join. What was parked is known to the next one when it is committed."""
        has_room = self._size < _BYTES and self._weight < _WEIGHT
        return self._events < most and has_room and not self.outcomes[-1].parked.is_news


class Transactions(Generic[State, Changes]):
    """Commits the transactions of one projection. `max_events`: how many one may take in several batches."""

    def __init__(self, projection: Projection[State, Changes], *, max_events: int) -> None:
        self.max_events = max_events
        self._projection = projection
        self._queries = engine_queries(projection.schema)
        self._cache: StateCache[State] = StateCache(projection.weight)
        self._parking = Parking(projection.name, self._queries)
        self._folding = Folding(projection, self._queries, self._cache)
        self._writing = Writing(projection, self._queries, self._parking)
        self._prepared: Connection | None = None
        self._commits = 0
        self._rejected: dict[str, list[int]] = {}

    def forget(self) -> None:
        """Drop cached states and what is known of parked entities: a lease moved, or a batch failed."""
        self._cache.clear()
        self._parking.forget()
        self._prepared = None

    async def commit(
        self,
        writer: Connection,
        batch: Batch,
        leases: Leases,
        failures: Failures,
        next_batch: NextBatch = no_other_batch,
    ) -> None:
        """Fold, write and commit a batch, and others while `next_batch` has any.

        There are others only for a generation that is being built. The fence comes last: where a lease has
        moved on, nothing is committed. Raises Fenced, psycopg.Error.
        """
        await self._prepare(writer)
        async with writer.transaction():
            parked = self._parking.begin(await self._parking.load(writer))
            transaction = Transaction(self._projection.schema, parked, self._projection.weight)
            following: Batch | None = batch
            while following is not None:
                transaction.check(following)
                await self._add(writer, transaction, following, failures)
                following = await next_batch() if transaction.takes_more(self.max_events) else None
            await self._projection.store(writer, transaction.states)
            if self._commits % _FORGET_EVERY == 0:
                await forget_old(writer, self._queries, batch.newest())
            await leases.fence(writer, transaction.reached)
        leases.advance(transaction.reached)
        self._commits += 1
        self._cache.keep(transaction.states)
        for outcome in transaction.outcomes:
            self._parking.committed(outcome.parked)
            outcome.count(self._projection.schema)
            for rejection in outcome.rejections:
                self._rejected.setdefault(rejection.event.stream, []).append(rejection.event.sequence)

    def take_rejected(self) -> dict[str, list[int]]:
        """Return the sequences of events that were committed as rejected since the last call, by stream."""
        rejected, self._rejected = self._rejected, {}
        return rejected

    async def replay(self, writer: Connection, batch: Batch) -> int:
        """Fold events of one entity inside the caller's transaction; how many took effect.

        Its rows have to be as they were before the first of them. Raises whatever the fold raises: then
        nothing may be committed.
        """
        await self._prepare(writer)
        parked = self._parking.begin(await self._parking.load(writer))
        folded = await self._folding.fold(writer, batch, states={}, parked=parked, failures=None)
        await self._writing.write(writer, folded)
        await self._projection.store(writer, folded.states)
        return folded.outcome.folded

    async def _prepare(self, writer: Connection) -> None:
        if self._prepared is not writer:
            await self._projection.prepare(writer)
            self._prepared = writer

    async def _add(
        self, writer: Connection, transaction: Transaction[State], batch: Batch, failures: Failures
    ) -> None:
        folded = await self._folding.fold(
            writer, batch, states=transaction.states, parked=transaction.parked, failures=failures
        )
        await self._writing.write(writer, folded)
        transaction.add(batch, folded)
