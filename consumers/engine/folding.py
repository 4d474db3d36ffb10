"""Folding: a batch is applied to states in memory, and what it comes to is written by `writing`.

Only its message ids are inserted beforehand: whether one was there before decides what is folded.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Generic

from consumers.engine.batch import Batch, Decoded
from consumers.engine.message_ids import MessageIds
from consumers.engine.outcome import Outcome
from consumers.engine.parking import Failures, Parked
from consumers.engine.state_cache import StateCache
from line.raw_event import RawEvent
from projections.dedup_key import KeyUse
from projections.projection import Changes, Projection, State, StateKey
from projections.recorded import Recorded, Rejection, reject
from runtime.database.connections import Connection
from runtime.database.queries import Queries
from runtime.process.time_slice import TimeSlice
from schemas.facts import EXPIRED
from schemas.validation import InvalidFact

logger = logging.getLogger("foldline.projector")


@dataclass(slots=True)
class Folded(Generic[State, Changes]):
    """A batch folded in memory: the states and rows it comes to, and what became of its events."""

    ids: MessageIds
    states: dict[StateKey, State | None]
    changes: Changes
    outcome: Outcome


class Folding(Generic[State, Changes]):
    """Folds batches of one projection; `cache` has the states of earlier transactions."""

    def __init__(
        self, projection: Projection[State, Changes], queries: Queries, cache: StateCache[State]
    ) -> None:
        self._projection = projection
        self._queries = queries
        self._cache = cache

    async def fold(
        self,
        writer: Connection,
        batch: Batch,
        *,
        states: Mapping[StateKey, State | None],
        parked: Parked,
        failures: Failures | None,
    ) -> Folded[State, Changes]:
        """Fold a batch behind others of the same transaction, whose newest `states` come first.

        A fold that raises parks its entity and notes it in `failures`; without them the exception goes
        through and nothing is parked.
        """
        ids = MessageIds(self._queries)
        await ids.claim(writer, (item.use for item in batch.items if item.use is not None))
        folded = await self._try(writer, batch, ids, before=states, parked=parked.fresh(), failures=failures)
        while failures is not None and failures.found:
            # A fold that raised may have left half of its work: once more, without it.
            failures.found = 0
            folded = await self._try(
                writer, batch, ids, before=states, parked=parked.fresh(), failures=failures
            )
        return folded

    async def _try(
        self,
        writer: Connection,
        batch: Batch,
        ids: MessageIds,
        *,
        before: Mapping[StateKey, State | None],
        parked: Parked,
        failures: Failures | None,
    ) -> Folded[State, Changes]:
        ids.begin()
        states = await self._load(writer, batch, before)
        folded = Folded(ids, states, self._projection.changes(), Outcome(parked=parked))
        skips = parked.known.skips
        time_slice = TimeSlice()
        for item in batch.items:
            if time_slice.is_over():
                await time_slice.yield_to_others()
            raw, event = item.raw, item.event
            if event is None:
                continue
            if isinstance(event, Rejection):
                folded.outcome.rejections.append(event)
            elif item.use is not None and _has_used_key(raw, item.use, folded):
                continue
            elif skips and (reason := parked.skipped(raw)) is not None:
                folded.outcome.rejections.append(reject(raw, InvalidFact("skipped", reason)))
            elif failures is None or not _waits(raw, event, parked, failures):
                if event.problem is not None:
                    folded.outcome.rejections.append(reject(raw, event.problem))
                self._fold(item, event, folded, failures)
        return folded

    def _fold(
        self, item: Decoded, event: Recorded, folded: Folded[State, Changes], failures: Failures | None
    ) -> None:
        raw, outcome = item.raw, folded.outcome
        try:
            self._projection.fold(folded.states, event, folded.changes)
        except InvalidFact as exc:
            outcome.rejections.append(reject(raw, exc))
            return
        except Exception as exc:
            if failures is None:
                raise
            logger.exception("%s: cannot fold %s, its entity is parked", self._projection.schema, raw.place())
            # What follows of it need not be tried.
            outcome.parked.park(event.key, raw, failures.note(raw, exc))
            return
        outcome.folded += 1
        outcome.parked.folded(raw.partition)
        if event.subject.fact == EXPIRED:
            folded.ids.expire(event.key)
            outcome.expire(event)
        elif item.use is not None:
            folded.ids.use(item.use)

    async def _load(
        self, writer: Connection, batch: Batch, before: Mapping[StateKey, State | None]
    ) -> dict[StateKey, State | None]:
        """The states a batch needs: of this transaction, from the cache, or from their rows."""
        recorded = [item.event for item in batch.items if isinstance(item.event, Recorded)]
        keys = set(chain.from_iterable(map(self._projection.needs, recorded)))
        states = {key: before[key] for key in keys & before.keys()} if before else {}
        states |= self._cache.get_many(keys - states.keys() if states else keys)
        if missing := keys - states.keys():
            states |= await self._projection.load(writer, missing)
        return states


def _has_used_key(raw: RawEvent, use: KeyUse, folded: Folded[State, Changes]) -> bool:
    """Whether the key of an event is taken: by the same event, or by another one, which is told."""
    try:
        if not folded.ids.is_duplicate(use):
            return False
        folded.outcome.duplicates += 1
    except InvalidFact as exc:
        folded.outcome.rejections.append(reject(raw, exc))
    return True


def _waits(raw: RawEvent, event: Recorded, parked: Parked, failures: Failures) -> bool:
    """Whether an event waits behind its parked entity, or parks it: its fold was seen to raise."""
    if not (failures.errors or parked.entities or parked.known.keys) or event.subject.fact == EXPIRED:
        return False
    if parked.holds(event.key, raw):
        parked.waiting.append((event.key, raw))
        return True
    if (error := failures.of(raw)) is not None:
        parked.park(event.key, raw, error)
        return True
    return False
