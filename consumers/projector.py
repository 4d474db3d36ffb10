"""The projector: folds batches of events into one read model, each batch in one transaction."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic

import psycopg

from consumers.leases import Fenced, Leases, reached_by
from consumers.message_ids import MessageIds, forget_old
from consumers.parking import Failures, Parked, Parking, Stopped
from consumers.prepared import Prepared, prepare
from consumers.remembered import Remembered
from projections.projection import Changes, Key, Projection, State, StateKey
from projections.recorded import RawEvent, Recorded, Rejection, reject
from runtime import metrics
from runtime.pause import Pause
from runtime.postgres import Connection
from runtime.sql import load_queries
from schemas.facts import EXPIRED
from schemas.validation import InvalidFact

logger = logging.getLogger("foldline.projector")

_LINGER: Final = 0.02  # readers wait for what they wrote
_AHEAD: Final = 10_000  # decoded events
_FORGET_EVERY: Final = 1_000
# What PostgreSQL says when it is the data that cannot be stored, not the moment that is bad.
_REFUSALS: Final = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded)
# What is no fault of an event: the batch is tried again as a whole.
_NOT_OURS: Final = (psycopg.Error, OSError, MemoryError, Fenced, Stopped)


class Projector(Generic[State, Changes]):
    """Applies events to a projection. Remembers entity states as long as every batch commits.

    As a follower it has the name of the schema it folds into.
    """

    def __init__(self, projection: Projection[State, Changes]) -> None:
        self.projection = projection
        self.name = projection.schema
        self.version = projection.version
        self.streams = projection.streams
        self.linger = _LINGER
        self._queries = load_queries("consumers", "batch.sql", schema=projection.schema)
        self._parking = Parking(projection.name, self._queries)
        self._remembered = Remembered(projection.weight)
        self._batches = 0
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

    async def apply(self, writer: Connection, events: Sequence[RawEvent], leases: Leases) -> None:
        """Fold `events` and commit. If PostgreSQL refuses them for their data, bisect to the one at fault.

        Raises Fenced and psycopg.Error; then nothing of the part that failed is committed.
        """
        epochs = leases.epochs({event.partition for event in events})
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
        await self._apply(writer, _Batch(items, epochs), leases)

    async def replay(self, writer: Connection, events: Sequence[RawEvent]) -> int:
        """Fold events of one entity inside the caller's transaction; how many took effect.

        For a projector of its own, whose rows for the entity are as they were before the first of them.
        Raises whatever the fold raises: then nothing may be committed.
        """
        await self._prepare(writer)
        await self._parking.load(writer)
        batch = _Batch([prepare(event) for event in events], {})
        ids = await self._claim(writer, batch)
        attempt = await self._attempt(writer, batch, ids, Failures(), alone=True)
        await self._write(writer, attempt)
        return attempt.result.folded

    async def _apply(self, writer: Connection, batch: "_Batch", leases: Leases) -> None:
        try:
            await self._commit(writer, batch, leases, Failures())
        except _REFUSALS as exc:
            self.forget()
            if len(batch.items) > 1:
                await self._halve(writer, batch, leases)
                return
            reason = str(exc).splitlines()[0]
            event = batch.items[0].raw
            logger.warning("%s: PostgreSQL refuses %s: %s", self.name, _place(event), reason)
            refused = Prepared(event, reject(event, InvalidFact("refused_by_database", reason)), None)
            await self._commit(writer, _Batch([refused], batch.epochs), leases, Failures())
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
            logger.exception("%s: cannot write %s", self.name, _place(batch.items[0].raw))
            await self._commit(writer, batch, leases, failures)

    async def _halve(self, writer: Connection, batch: "_Batch", leases: Leases) -> None:
        for half in batch.halves():
            await self._apply(writer, half, leases)

    async def _commit(self, writer: Connection, batch: "_Batch", leases: Leases, failures: Failures) -> None:
        reached = reached_by((item.raw for item in batch.items), batch.epochs)
        await self._prepare(writer)
        async with writer.transaction():
            await self._parking.load(writer)
            ids = await self._claim(writer, batch)
            attempt = await self._attempt(writer, batch, ids, failures)
            while failures.found:
                # A fold that raised may have left half of its work: once more, without it.
                failures.found = 0
                attempt = await self._attempt(writer, batch, ids, failures)
            await self._write(writer, attempt)
            if self._batches % _FORGET_EVERY == 0:
                await forget_old(writer, self._queries, _newest(batch.items))
            await leases.fence(writer, reached)
        leases.advance(reached)
        self._batches += 1
        self._remembered.keep(attempt.states)
        self._parking.committed(attempt.result.parked)
        attempt.result.count(self.name)

    async def _prepare(self, writer: Connection) -> None:
        if self._prepared is not writer:
            await self.projection.prepare(writer)
            self._prepared = writer

    async def _claim(self, writer: Connection, batch: "_Batch") -> MessageIds:
        ids = MessageIds(self._queries)
        await ids.claim(writer, ((item.raw, item.slot) for item in batch.items if item.slot is not None))
        return ids

    async def _attempt(
        self,
        writer: Connection,
        batch: "_Batch",
        ids: MessageIds,
        failures: Failures,
        *,
        alone: bool = False,
    ) -> "_Attempt[State, Changes]":
        """Fold a batch in memory. `alone`: nothing is parked, what raises is raised."""
        ids.begin()
        states = await self._load(writer, (item.event for item in batch.items))
        attempt = _Attempt(ids, states, self.projection.changes(), _Result(parked=self._parking.begin()))
        pause = Pause()
        for item in batch.items:
            if pause.is_due():
                await pause()
            raw, event, slot = item.raw, item.event, item.slot
            if slot is not None and ids.is_duplicate(raw, slot):
                attempt.result.duplicates += 1
            elif isinstance(event, Rejection):
                attempt.result.rejections.append(event)
            elif (reason := self._parking.skipped(raw)) is not None:
                attempt.result.rejections.append(reject(raw, InvalidFact("skipped", reason)))
            elif not alone and event.subject.fact != EXPIRED and self._waits(raw, event, attempt, failures):
                pass
            else:
                self._fold(item, event, attempt, None if alone else failures)
        return attempt

    def _waits(
        self, raw: RawEvent, event: Recorded, attempt: "_Attempt[State, Changes]", failures: Failures
    ) -> bool:
        parked = attempt.result.parked
        if self._parking.holds(event.key, raw, parked):
            parked.waiting.append((event.key, raw))
            return True
        if (error := failures.of(raw)) is not None:
            parked.park(event.key, raw, error)
            return True
        return False

    def _fold(
        self, item: Prepared, event: Recorded, attempt: "_Attempt[State, Changes]", failures: Failures | None
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
            logger.exception("%s: cannot fold %s, its entity is parked", self.name, _place(raw))
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

    async def _write(self, writer: Connection, attempt: "_Attempt[State, Changes]") -> None:
        result = attempt.result
        await self.projection.write(writer, attempt.states, attempt.changes)
        await self._forget_expired(writer, result.expired.values())
        await attempt.ids.write(writer)
        await self._record(writer, result.rejections)
        await self._parking.write(writer, result.parked)

    async def _load(
        self, writer: Connection, decoded: Iterable[Recorded | Rejection]
    ) -> dict[StateKey, State | None]:
        """States of the batch's entities, remembered or from their rows."""
        keys = {
            key for event in decoded if isinstance(event, Recorded) for key in self.projection.needs(event)
        }
        states = self._remembered.among(keys)
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
        rows = [_rejected_row(rejection) for rejection in rejections]
        columns: list[Any] = [list(column) for column in zip(*rows, strict=True)]
        await writer.execute(self._queries["record-rejected"], columns)


@dataclass(slots=True)
class _Result:
    """What became of the events of a batch."""

    folded: int = 0
    duplicates: int = 0
    rejections: list[Rejection] = field(default_factory=list)
    expired: dict[Key, Recorded] = field(default_factory=dict)
    parked: Parked = field(default_factory=Parked)

    def expire(self, event: Recorded) -> None:
        """The entity's earlier facts are gone, and what was rejected of them."""
        self.expired[event.key] = event
        gone = (event.key, event.stream)
        self.rejections = [one for one in self.rejections if (one.event.key(), one.event.stream) != gone]
        self.parked.expire(event.key)

    def count(self, follower: str) -> None:
        """Add to the metrics, after the commit."""
        metrics.FOLDED.labels(follower).inc(self.folded)
        metrics.DUPLICATES.labels(follower).inc(self.duplicates)
        for reason, number in Counter(one.reason for one in self.rejections).items():
            metrics.REJECTED.labels(follower, reason).inc(number)
        metrics.PARKED.labels(follower).inc(len(self.parked.entities))


@dataclass(slots=True)
class _Attempt(Generic[State, Changes]):
    """A batch folded in memory: nothing of it is written yet."""

    ids: MessageIds
    states: dict[StateKey, State | None]
    changes: Changes
    result: _Result


@dataclass(frozen=True, slots=True)
class _Batch:
    """Events of one transaction, and the epochs they are folded under."""

    items: Sequence[Prepared]
    epochs: Mapping[int, int]

    def halves(self) -> "tuple[_Batch, _Batch]":
        """The same events in order, in two batches."""
        half = len(self.items) // 2
        return _Batch(self.items[:half], self.epochs), _Batch(self.items[half:], self.epochs)


def _newest(items: Sequence[Prepared]) -> list[tuple[int, Any]]:
    return list({item.raw.partition: item.raw.stored_at for item in items}.items())


def _rejected_row(rejection: Rejection) -> tuple[Any, ...]:
    event = rejection.event
    site, id_ = event.key() or (None, None)
    place = (event.partition, event.stream, event.sequence, site, id_, event.subject.replace("\x00", ""))
    return (*place, rejection.reason, rejection.details, event.stored_at)


def _place(event: RawEvent) -> str:
    return f"{event.stream} {event.sequence} ({event.subject})"
