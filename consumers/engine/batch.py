"""A batch: events that are folded together, decoded, under the epochs of their partitions' leases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from line.raw_event import RawEvent
from projections.dedup_key import KeyUse, key_use_of
from projections.projection import Projection
from projections.recorded import Recorded, Rejection, decode_under, reject
from runtime.process.time_slice import TimeSlice
from schemas.subjects import Subject
from schemas.validation import InvalidFact

_STORED_TOKENS: Final = 6  # of a stored subject
_AHEAD: Final = 40_000  # events decoded before their turn


class Decoded(Struct, frozen=True, gc=False):
    """An event, what it says or why it is rejected, and its use of a deduplication key, if it has one.

    `event` is None where the projection does not declare the fact: it passes over it.
    """

    raw: RawEvent
    event: Recorded | Rejection | None
    use: KeyUse | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Decoded events in the order of their partitions. `epochs`: partition → the epoch it is folded under."""

    items: Sequence[Decoded]
    epochs: Mapping[int, int]

    def halves(self) -> "tuple[Batch, Batch]":
        """Return two batches with these events, in their order."""
        half = len(self.items) // 2
        return Batch(self.items[:half], self.epochs), Batch(self.items[half:], self.epochs)

    def newest(self) -> dict[int, datetime]:
        """The store time of the newest event of each partition."""
        return {item.raw.partition: item.raw.stored_at for item in self.items}


class Decoder:
    """Decodes events for one projection, those that were prefetched before their turn."""

    def __init__(self, projection: Projection[Any, Any]) -> None:
        self._entity, self._facts = projection.entity, projection.facts
        self._ahead: dict[int, Decoded] = {}  # by the identity of the event, which lives as long as they do

    def prefetch(self, event: RawEvent) -> None:
        """Decode an event for the batch that takes it up."""
        self._ahead[id(event)] = decode_event(event, self._entity, self._facts)

    async def batch(self, events: Sequence[RawEvent], epochs: Mapping[int, int]) -> Batch:
        """Decode a batch; others on the loop have their turn meanwhile."""
        items = []
        time_slice = TimeSlice()
        for event in events:
            item = self._ahead.pop(id(event), None)
            if item is None:
                if time_slice.is_over():
                    await time_slice.yield_to_others()
                item = decode_event(event, self._entity, self._facts)
            items.append(item)
        if len(self._ahead) > _AHEAD:  # of events that never had their turn
            self._ahead.clear()
        return Batch(items, epochs)

    def forget(self) -> None:
        """Drop what was decoded ahead."""
        self._ahead.clear()


def decode_event(raw: RawEvent, entity: str, facts: frozenset[str]) -> Decoded:
    """Decode one event for a projection that folds `facts` of `entity`. A pure function of both."""
    try:
        subject = Subject.parse_stored(raw.subject)
        if subject.fact not in facts or subject.entity != entity:
            return Decoded(raw, None, None)
        event = decode_under(subject, raw)
    except InvalidFact as exc:
        tokens = raw.subject.split(".")
        if len(tokens) == _STORED_TOKENS and (tokens[3] != entity or tokens[5] not in facts):
            return Decoded(raw, None, None)
        return Decoded(raw, reject(raw, exc), None)
    return Decoded(raw, event, key_use_of(raw, event))
