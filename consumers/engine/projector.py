"""The projector: folds batches of events into one read model, and decides what happens when one fails."""

import logging
from collections.abc import Sequence
from typing import Final, Generic

import psycopg

from consumers.engine.batch import Batch, Decoded, Decoder
from consumers.engine.handler import More, NotYet, no_more
from consumers.engine.leases import Fenced, Leases
from consumers.engine.parking import Failures, Stopped
from consumers.engine.transaction import Transactions
from line.raw_event import RawEvent
from projections.projection import Changes, Projection, State, TooMuchAtOnce
from projections.recorded import reject
from runtime.database.connections import Connection
from schemas.validation import InvalidFact

logger = logging.getLogger("foldline.projector")

_LINGER: Final = 0.02  # readers wait for what they wrote
# What PostgreSQL says when it is the data that cannot be stored, not the moment that is bad.
_REFUSALS: Final = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded)
# What is no fault of an event: the batch is tried again as a whole.
_NOT_OURS: Final = (psycopg.Error, OSError, MemoryError, Fenced, Stopped)


class Projector(Generic[State, Changes]):
    """Applies events to a projection. As a follower it has the name of the schema it folds into.

    `max_transaction_events`: how many events one transaction may take in several batches while more wait. A
    state's row is then written once for all of them, and nobody sees any of it before: for a generation that
    is being built. 0: each batch is a transaction.
    """

    def __init__(self, projection: Projection[State, Changes], *, max_transaction_events: int = 0) -> None:
        self.projection = projection
        self.name = projection.schema
        self.version = projection.version
        self.streams = projection.streams
        self.linger = _LINGER
        self._decoder = Decoder(projection)
        self._transactions = Transactions(projection, max_events=max_transaction_events)

    def prefetch(self, event: RawEvent) -> None:
        """Decode an event for the batch that takes it up."""
        self._decoder.prefetch(event)

    def take_rejected(self) -> dict[str, list[int]]:
        """Return the sequences of events that were committed as rejected since the last call, by stream."""
        return self._transactions.take_rejected()

    def forget(self) -> None:
        """Drop everything remembered: a lease moved, or a batch failed."""
        self._decoder.forget()
        self._transactions.forget()

    async def apply(
        self, writer: Connection, events: Sequence[RawEvent], leases: Leases, more: More = no_more
    ) -> None:
        """Fold `events` and commit. If PostgreSQL refuses them for their data, bisect to the one at fault.

        Events whose states are too large to be loaded together are committed in several transactions.

        Raises Fenced and psycopg.Error; then nothing of the part that failed is committed. Raises NotYet when
        batches that shared a transaction failed together: they come again, each in one of its own.
        """
        batch = await self._batch(events, leases)
        if not self._transactions.max_events:
            await self._apply_one(writer, batch, leases)
            return

        async def next_batch() -> Batch | None:
            following = more()
            return await self._batch(following, leases) if following else None

        try:
            await self._transactions.commit(writer, batch, leases, Failures(), next_batch)
        except (*_REFUSALS, TooMuchAtOnce) as exc:
            raise self._one_by_one(exc) from exc
        except _NOT_OURS:
            raise
        except Exception as exc:
            raise self._one_by_one(exc) from exc

    async def replay(self, writer: Connection, events: Sequence[RawEvent]) -> int:
        """Fold events of one entity inside the caller's transaction; how many took effect.

        For a projector of its own, whose rows for the entity are as they were before the first of them.
        Raises whatever the fold raises: then nothing may be committed.
        """
        return await self._transactions.replay(writer, await self._decoder.batch(events, {}))

    async def _batch(self, events: Sequence[RawEvent], leases: Leases) -> Batch:
        epochs = leases.epochs({event.partition for event in events})  # before any await
        return await self._decoder.batch(events, epochs)

    async def _apply_one(self, writer: Connection, batch: Batch, leases: Leases) -> None:
        try:
            await self._transactions.commit(writer, batch, leases, Failures())
        except _REFUSALS as exc:
            self.forget()
            if len(batch.items) > 1:
                await self._halve(writer, batch, leases)
                return
            reason = str(exc).splitlines()[0]
            event = batch.items[0].raw
            logger.warning("%s: PostgreSQL refuses %s: %s", self.name, event.place(), reason)
            refused = Decoded(event, reject(event, InvalidFact("refused_by_database", reason)), None)
            await self._transactions.commit(writer, Batch([refused], batch.epochs), leases, Failures())
        except TooMuchAtOnce:
            if len(batch.items) == 1:
                raise
            await self._halve(writer, batch, leases)
        except psycopg.IntegrityError:
            # The rows are there already: a successor wrote them, or the generation was exchanged under us.
            await leases.check(writer, batch.epochs)
            raise
        except _NOT_OURS:
            raise
        except Exception as exc:
            # Not a fold, those are caught one by one: building or writing its rows.
            self.forget()
            if len(batch.items) > 1:
                await self._halve(writer, batch, leases)
                return
            failures = Failures()
            failures.note(batch.items[0].raw, exc)
            logger.exception("%s: cannot write %s", self.name, batch.items[0].raw.place())
            await self._transactions.commit(writer, batch, leases, failures)

    async def _halve(self, writer: Connection, batch: Batch, leases: Leases) -> None:
        for half in batch.halves():
            await self._apply_one(writer, half, leases)

    def _one_by_one(self, why: Exception) -> NotYet:
        self._transactions.max_events = 0
        self.forget()
        return NotYet(f"several batches at once failed, one by one from here: {type(why).__name__}: {why}")
