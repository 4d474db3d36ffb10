"""Batches on their way into a read model: what they are made of, and what has become of them so far."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic

from consumers.engine.decoded import Prepared
from consumers.engine.leases import Fenced, Reached, reached_by
from consumers.engine.message_ids import MessageIds
from consumers.engine.parking import Known, Parked
from line.raw_event import RawEvent
from projections.projection import Changes, Key, State, StateKey
from projections.recorded import Recorded, Rejection
from runtime import metrics

_BYTES: Final = 32 << 20  # of events in one transaction: states hold what they say
_WEIGHT: Final = 64 << 20  # of states, as they were loaded or last written


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that are folded together, and the epochs they are folded under."""

    items: Sequence[Prepared]
    epochs: Mapping[int, int]

    def halves(self) -> "tuple[Batch, Batch]":
        """The same events in order, in two batches."""
        half = len(self.items) // 2
        return Batch(self.items[:half], self.epochs), Batch(self.items[half:], self.epochs)


@dataclass(slots=True)
class Result:
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
class Attempt(Generic[State, Changes]):
    """A batch folded in memory: nothing of it is written yet."""

    ids: MessageIds
    states: dict[StateKey, State | None]
    changes: Changes
    result: Result


class Written(Generic[State]):
    """What the batches of one transaction have come to: all of it counts when that commits.

    `states` are the newest of all of them; their rows are written once, at its end.
    """

    def __init__(self, follower: str, known: Known, weigh: Callable[[State], int]) -> None:
        self.known = known
        self.states: dict[StateKey, State | None] = {}
        self.results: list[Result] = []
        self.events = 0
        self._follower = follower
        self._reached: Reached | None = None
        self._weigh = weigh
        self._size = self._weight = 0

    @property
    def reached(self) -> Reached:
        """How far it gets each partition."""
        if self._reached is None:
            raise RuntimeError("nothing was folded")
        return self._reached

    @property
    def parked(self) -> Parked | None:
        """What the last batch parked."""
        return self.results[-1].parked if self.results else None

    def check(self, batch: Batch) -> None:
        """Raises Fenced when a partition was lost and taken again meanwhile: its events may be here."""
        before = self._reached.epochs if self._reached is not None else {}
        if any(before.get(part, epoch) != epoch for part, epoch in batch.epochs.items()):
            raise Fenced(f"{self._follower}: a lease among {sorted(batch.epochs)} moved on")

    def add(self, batch: Batch, attempt: Attempt[State, Any]) -> None:
        """One more batch is written, but for the rows of its states."""
        events = [item.raw for item in batch.items]
        reached = reached_by(events, batch.epochs)
        self._reached = reached if self._reached is None else self._reached.then(reached)
        before = self.states
        self._weight += sum(
            [
                self._weigh(state)
                for key, state in attempt.states.items()
                if state is not None and key not in before
            ]
        )
        self.states |= attempt.states
        self.results.append(attempt.result)
        self.events += len(events)
        self._size += sum([len(event.body) for event in events])

    def takes_more(self, most: int) -> bool:
        """Whether another batch may join. What was parked is known to the next one when it is committed."""
        has_room = self._size < _BYTES and self._weight < _WEIGHT
        return self.events < most and has_room and not self.results[-1].parked.is_news


def newest(items: Sequence[Prepared]) -> list[tuple[int, Any]]:
    """The store time of the newest event of each partition."""
    return list({item.raw.partition: item.raw.stored_at for item in items}.items())


def rejected_row(rejection: Rejection) -> tuple[Any, ...]:
    """A row of the table of rejected events."""
    event = rejection.event
    site, id_ = event.key() or (None, None)
    place = (event.partition, event.stream, event.sequence, site, id_, event.subject.replace("\x00", ""))
    return (*place, rejection.reason, rejection.details, event.stored_at)


def place(event: RawEvent) -> str:
    """Where an event is, for the log."""
    return f"{event.stream} {event.sequence} ({event.subject})"
