"""The outcome of a batch: what became of each of its events."""

from collections import Counter
from dataclasses import dataclass, field

from consumers.engine.parking import Parked
from projections.projection import Key
from projections.recorded import Recorded, Rejection
from runtime import metrics


@dataclass(slots=True)
class Outcome:
    """Counts of events folded and of duplicates, and the events that were set aside or parked."""

    folded: int = 0
    duplicates: int = 0
    rejections: list[Rejection] = field(default_factory=list)
    expired: dict[Key, Recorded] = field(default_factory=dict)
    parked: Parked = field(default_factory=Parked)

    def expire(self, event: Recorded) -> None:
        """Drop the entity's earlier facts, and what was rejected of them."""
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
