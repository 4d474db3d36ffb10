"""The projector: folds batches of events into one read model, each batch in one transaction."""

import logging
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, Final, Generic

import psycopg

from consumers.leases import Leases, reached_by
from consumers.message_ids import MessageIds, forget_old
from projections.projection import Changes, Key, Projection, State
from projections.recorded import RawEvent, Recorded, Rejection, decode, reject
from runtime import metrics
from runtime.postgres import Connection
from runtime.sql import load_queries
from schemas.validation import InvalidFact

logger = logging.getLogger("foldline.projector")

_REMEMBERED: Final = 20_000
_FORGET_EVERY: Final = 1_000
# What PostgreSQL says when it is the data that cannot be stored, not the moment that is bad.
_REFUSALS: Final = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded)


class Projector(Generic[State, Changes]):
    """Applies events to a projection. Remembers entity states as long as every batch commits."""

    def __init__(self, projection: Projection[State, Changes]) -> None:
        self.projection = projection
        self.name = projection.name
        self.streams = projection.streams
        self._queries = load_queries("consumers", "batch.sql", schema=projection.schema)
        self._states: OrderedDict[Key, State | None] = OrderedDict()
        self._batches = 0

    def forget(self) -> None:
        """Remembered states are void: a lease moved, or a batch failed."""
        self._states.clear()

    async def apply(self, writer: Connection, events: Sequence[RawEvent], leases: Leases) -> None:
        """Fold `events` and commit. If PostgreSQL refuses them for their data, bisect to the one at fault.

        Raises Fenced and psycopg.Error; then nothing of the part that failed is committed.
        """
        decoded = [_decode(event) for event in events]
        epochs = leases.epochs({event.partition for event in events})
        await self._apply(writer, events, decoded, leases, epochs)

    async def _apply(
        self,
        writer: Connection,
        events: Sequence[RawEvent],
        decoded: list[Recorded | Rejection],
        leases: Leases,
        epochs: dict[int, int],
    ) -> None:
        try:
            await self._commit(writer, events, decoded, leases, epochs)
        except _REFUSALS as exc:
            self.forget()
            if len(events) == 1:
                reason = str(exc).splitlines()[0]
                logger.warning("%s: PostgreSQL refuses %s: %s", self.name, _place(events[0]), reason)
                refused: list[Recorded | Rejection] = [
                    reject(events[0], InvalidFact("refused_by_database", reason))
                ]
                await self._commit(writer, events, refused, leases, epochs)
                return
            half = len(events) // 2
            await self._apply(writer, events[:half], decoded[:half], leases, epochs)
            await self._apply(writer, events[half:], decoded[half:], leases, epochs)

    async def _commit(
        self,
        writer: Connection,
        events: Sequence[RawEvent],
        decoded: list[Recorded | Rejection],
        leases: Leases,
        epochs: dict[int, int],
    ) -> None:
        reached = reached_by(events, epochs)
        folded = duplicates = 0
        rejections: list[Rejection] = []
        async with writer.transaction():
            ids = MessageIds(self._queries)
            await ids.load(writer, events)
            states = await self._load(writer, decoded)
            changes = self.projection.changes()
            for raw, event in zip(events, decoded, strict=True):
                if ids.is_duplicate(raw):
                    duplicates += 1
                    continue
                if isinstance(event, Recorded):
                    try:
                        self.projection.fold(states, event, changes)
                    except InvalidFact as exc:
                        rejections.append(reject(raw, exc))
                        continue
                    ids.remember(raw)
                    folded += 1
                else:
                    rejections.append(event)
            await self.projection.write(writer, states, changes)
            await ids.write(writer)
            await self._record(writer, rejections)
            if self._batches % _FORGET_EVERY == 0:
                await forget_old(writer, self._queries, _newest(events))
            await leases.fence(writer, reached)
        leases.advance(reached)
        self._batches += 1
        self._remember(states)
        metrics.FOLDED.labels(self.name).inc(folded)
        metrics.DUPLICATES.labels(self.name).inc(duplicates)
        for reason, count in Counter(rejection.reason for rejection in rejections).items():
            metrics.REJECTED.labels(self.name, reason).inc(count)

    async def _load(
        self, writer: Connection, decoded: Iterable[Recorded | Rejection]
    ) -> dict[Key, State | None]:
        """States of the batch's entities, remembered or from their rows."""
        keys = {
            event.key
            for event in decoded
            if isinstance(event, Recorded) and self.projection.needs_state(event)
        }
        states = {key: self._states[key] for key in keys if key in self._states}
        if missing := keys - states.keys():
            states |= await self.projection.load(writer, missing)
        return states

    def _remember(self, states: dict[Key, State | None]) -> None:
        for key, state in states.items():
            self._states[key] = state
            self._states.move_to_end(key)
        while len(self._states) > _REMEMBERED:
            self._states.popitem(last=False)

    async def _record(self, writer: Connection, rejections: Sequence[Rejection]) -> None:
        if not rejections:
            return
        rows = [_rejected_row(rejection) for rejection in rejections]
        columns: list[Any] = [list(column) for column in zip(*rows, strict=True)]
        await writer.execute(self._queries["record-rejected"], columns)


def _decode(raw: RawEvent) -> Recorded | Rejection:
    try:
        return decode(raw)
    except InvalidFact as exc:
        return reject(raw, exc)


def _newest(events: Sequence[RawEvent]) -> list[tuple[int, Any]]:
    return list({event.partition: event.stored_at for event in events}.items())


def _rejected_row(rejection: Rejection) -> tuple[Any, ...]:
    event = rejection.event
    place = (event.partition, event.stream, event.sequence, event.subject.replace("\x00", ""))
    return (*place, rejection.reason, rejection.details, event.stored_at)


def _place(event: RawEvent) -> str:
    return f"{event.stream} {event.sequence} ({event.subject})"
