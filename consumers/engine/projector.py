"""The projector: folds batches of events into one read model, each batch in one transaction."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, Generic

import psycopg

from consumers.engine.decoded import Prepared, prepare
from consumers.engine.follower import More, NotYet, no_more
from consumers.engine.leases import Fenced, Leases
from consumers.engine.message_ids import MessageIds, forget_old
from consumers.engine.parking import Failures, Parking, Stopped
from consumers.engine.state_cache import Remembered
from consumers.engine.transaction import Attempt, Batch, Result, Written, newest, place, rejected_row
from line.raw_event import RawEvent
from projections.projection import Changes, Projection, State, StateKey
from projections.recorded import Recorded, Rejection, reject
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries
from runtime.process.time_slice import Pause
from schemas.facts import EXPIRED
from schemas.validation import InvalidFact

logger = logging.getLogger("foldline.projector")

_LINGER: Final = 0.02  # readers wait for what they wrote
_AHEAD: Final = 40_000  # decoded events
_FORGET_EVERY: Final = 1_000
# What PostgreSQL says when it is the data that cannot be stored, not the moment that is bad.
_REFUSALS: Final = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded)
# What is no fault of an event: the batch is tried again as a whole.
_NOT_OURS: Final = (psycopg.Error, OSError, MemoryError, Fenced, Stopped)


class Projector(Generic[State, Changes]):
    """Applies events to a projection. Remembers entity states as long as every batch commits.

    As a follower it has the name of the schema it folds into. `together`: how many events one transaction may
    take in several batches while more wait. A state's row is then written once for all of them, and nobody
    sees any of it before: for a generation that is being built.
    """

    def __init__(self, projection: Projection[State, Changes], *, together: int = 0) -> None:
        self.projection = projection
        self.name = projection.schema
        self.version = projection.version
        self.streams = projection.streams
        self.linger = _LINGER
        self._queries = engine_queries(projection.schema)
        self._parking = Parking(projection.name, self._queries)
        self._remembered = Remembered(projection.weight)
        self._together = together
        self._commits = 0
        self._ahead: dict[int, Prepared] = {}  # by the identity of the event, which lives as long as they do
        self._prepared: Connection | None = None

    def forget(self) -> None:
        """Remembered states are void: a lease moved, or a batch failed."""
        self._remembered.clear()
        self._ahead.clear()
        self._prepared = None
        self._parking.forget()

    def anticipate(self, event: RawEvent) -> None:
        """Decode it, for the batch that takes it up."""
        self._ahead[id(event)] = prepare(event)

    async def apply(
        self, writer: Connection, events: Sequence[RawEvent], leases: Leases, more: More = no_more
    ) -> None:
        """Fold `events` and commit. If PostgreSQL refuses them for their data, bisect to the one at fault.

        Raises Fenced and psycopg.Error; then nothing of the part that failed is committed. What may have
        failed for one event among batches that were taken together is NotYet: it comes again, alone.
        """
        batch = await self._batch(events, leases)
        if not self._together:
            await self._apply(writer, batch, leases)
            return
        try:
            await self._commit(writer, batch, leases, Failures(), more)
        except _REFUSALS as exc:
            raise self._one_by_one(exc) from exc
        except _NOT_OURS:
            raise
        except Exception as exc:
            raise self._one_by_one(exc) from exc

    def _one_by_one(self, why: Exception) -> NotYet:
        self._together = 0
        self.forget()
        return NotYet(f"several batches at once failed, one by one from here: {type(why).__name__}: {why}")

    async def _batch(self, events: Sequence[RawEvent], leases: Leases) -> Batch:
        epochs = leases.epochs({event.partition for event in events})  # before any await
        items = []
        pause = Pause()
        for event in events:
            item = self._ahead.pop(id(event), None)
            if item is None:
                if pause.is_due():
                    await pause()
                item = prepare(event)
            items.append(item)
        if len(self._ahead) > _AHEAD:  # of events that never had their turn
            self._ahead.clear()
        return Batch(items, epochs)

    async def replay(self, writer: Connection, events: Sequence[RawEvent]) -> int:
        """Fold events of one entity inside the caller's transaction; how many took effect.

        For a projector of its own, whose rows for the entity are as they were before the first of them.
        Raises whatever the fold raises: then nothing may be committed.
        """
        await self._prepare(writer)
        written = await self._begin(writer)
        batch = Batch([prepare(event) for event in events], {})
        ids = await self._claim(writer, batch)
        attempt = await self._attempt(writer, batch, ids, written, None)
        await self._write(writer, attempt)
        await self.projection.store(writer, attempt.states)
        return attempt.result.folded

    async def _apply(self, writer: Connection, batch: Batch, leases: Leases) -> None:
        try:
            await self._commit(writer, batch, leases, Failures())
        except _REFUSALS as exc:
            self.forget()
            if len(batch.items) > 1:
                await self._halve(writer, batch, leases)
                return
            reason = str(exc).splitlines()[0]
            event = batch.items[0].raw
            logger.warning("%s: PostgreSQL refuses %s: %s", self.name, place(event), reason)
            refused = Prepared(event, reject(event, InvalidFact("refused_by_database", reason)), None)
            await self._commit(writer, Batch([refused], batch.epochs), leases, Failures())
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
            logger.exception("%s: cannot write %s", self.name, place(batch.items[0].raw))
            await self._commit(writer, batch, leases, failures)

    async def _halve(self, writer: Connection, batch: Batch, leases: Leases) -> None:
        for half in batch.halves():
            await self._apply(writer, half, leases)

    async def _commit(
        self, writer: Connection, batch: Batch, leases: Leases, failures: Failures, more: More = no_more
    ) -> None:
        await self._prepare(writer)
        async with writer.transaction():
            written = await self._begin(writer)
            while True:
                await self._fold_into(writer, batch, written, failures)
                if not written.takes_more(self._together) or not (events := more()):
                    break
                batch = await self._batch(events, leases)
                written.check(batch)
            await self.projection.store(writer, written.states)
            if self._commits % _FORGET_EVERY == 0:
                await forget_old(writer, self._queries, newest(batch.items))
            await leases.fence(writer, written.reached)
        leases.advance(written.reached)
        self._commits += 1
        self._remembered.keep(written.states)
        for result in written.results:
            self._parking.committed(result.parked)
            result.count(self.name)

    async def _begin(self, writer: Connection) -> Written[State]:
        return Written(self.name, await self._parking.load(writer), self.projection.weight)

    async def _fold_into(
        self, writer: Connection, batch: Batch, written: Written[State], failures: Failures
    ) -> None:
        """Fold a batch, and write all but the rows of states."""
        ids = await self._claim(writer, batch)
        attempt = await self._attempt(writer, batch, ids, written, failures)
        while failures.found:
            # A fold that raised may have left half of its work: once more, without it.
            failures.found = 0
            attempt = await self._attempt(writer, batch, ids, written, failures)
        await self._write(writer, attempt)
        written.add(batch, attempt)

    async def _prepare(self, writer: Connection) -> None:
        if self._prepared is not writer:
            await self.projection.prepare(writer)
            self._prepared = writer

    async def _claim(self, writer: Connection, batch: Batch) -> MessageIds:
        ids = MessageIds(self._queries)
        await ids.claim(writer, ((item.raw, item.slot) for item in batch.items if item.slot is not None))
        return ids

    async def _attempt(
        self,
        writer: Connection,
        batch: Batch,
        ids: MessageIds,
        written: Written[State],
        failures: Failures | None,
    ) -> Attempt[State, Changes]:
        """Fold a batch in memory. Without `failures` nothing is parked, and what raises is raised."""
        ids.begin()
        states = await self._load(writer, (item.event for item in batch.items), written.states)
        parked = self._parking.begin(written.known, written.parked)
        attempt = Attempt(ids, states, self.projection.changes(), Result(parked=parked))
        skips = parked.known.skips
        pause = Pause()
        for item in batch.items:
            if pause.is_due():
                await pause()
            raw, event, slot = item.raw, item.event, item.slot
            if slot is not None and ids.is_duplicate(raw, slot):
                attempt.result.duplicates += 1
            elif isinstance(event, Rejection):
                attempt.result.rejections.append(event)
            elif skips and (reason := parked.skipped(raw)) is not None:
                attempt.result.rejections.append(reject(raw, InvalidFact("skipped", reason)))
            elif failures is None or not self._waits(raw, event, attempt, failures):
                self._fold(item, event, attempt, failures)
        return attempt

    def _waits(
        self, raw: RawEvent, event: Recorded, attempt: Attempt[State, Changes], failures: Failures
    ) -> bool:
        parked = attempt.result.parked
        if not (failures.errors or parked.entities or parked.known.keys) or event.subject.fact == EXPIRED:
            return False
        if parked.holds(event.key, raw):
            parked.waiting.append((event.key, raw))
            return True
        if (error := failures.of(raw)) is not None:
            parked.park(event.key, raw, error)
            return True
        return False

    def _fold(
        self, item: Prepared, event: Recorded, attempt: Attempt[State, Changes], failures: Failures | None
    ) -> None:
        raw, result = item.raw, attempt.result
        try:
            self.projection.fold(attempt.states, event, attempt.changes)
        except InvalidFact as exc:
            result.rejections.append(reject(raw, exc))
            return
        except Exception as exc:
            if failures is None:
                raise
            logger.exception("%s: cannot fold %s, its entity is parked", self.name, place(raw))
            # What follows of it need not be tried.
            result.parked.park(event.key, raw, failures.note(raw, exc))
            return
        result.folded += 1
        result.parked.folded(raw.partition)
        if event.subject.fact == EXPIRED:
            attempt.ids.expire(event.key)
            result.expire(event)
        elif item.slot is not None:
            attempt.ids.use(raw, item.slot)

    async def _write(self, writer: Connection, attempt: Attempt[State, Changes]) -> None:
        result = attempt.result
        await self.projection.write(writer, attempt.changes)
        await self._forget_expired(writer, result.expired.values())
        await attempt.ids.write(writer)
        await self._record(writer, result.rejections)
        await self._parking.write(writer, result.parked)

    async def _load(
        self,
        writer: Connection,
        decoded: Iterable[Recorded | Rejection],
        written: Mapping[StateKey, State | None],
    ) -> dict[StateKey, State | None]:
        """States of the batch's entities: of this transaction, remembered, or from their rows."""
        recorded = [event for event in decoded if isinstance(event, Recorded)]
        keys = set(chain.from_iterable(map(self.projection.needs, recorded)))
        states = {key: written[key] for key in keys & written.keys()} if written else {}
        states |= self._remembered.among(keys - states.keys() if states else keys)
        if missing := keys - states.keys():
            states |= await self.projection.load(writer, missing)
        return states

    async def _forget_expired(self, writer: Connection, expired: Iterable[Recorded]) -> None:
        if rows := [(*event.key, event.stream, event.sequence) for event in expired]:
            columns = [list(column) for column in zip(*rows, strict=True)]
            await writer.execute(self._queries["forget-expired"], columns)

    async def _record(self, writer: Connection, rejections: Sequence[Rejection]) -> None:
        if not rejections:
            return
        rows = [rejected_row(rejection) for rejection in rejections]
        columns: list[Any] = [list(column) for column in zip(*rows, strict=True)]
        await writer.execute(self._queries["record-rejected"], columns)
