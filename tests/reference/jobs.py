"""The reference of the jobs read model, from all events at once, without any code of the product.

It sorts the events by (event time, position in the line) and cuts them at each `started`. The product sees
one event after the other, in whatever order they arrive.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

SKEW = timedelta(minutes=10)
OWN = ("error", "error_type")


@dataclass(frozen=True)
class Happened:
    """One event as it was sent; `position` is its place in the line."""

    position: int
    at: datetime
    kind: str
    status: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def outcome(self) -> str | None:
        """How it ends a job, if it does."""
        if self.kind in ("canceled", "finished"):
            return self.status or {"canceled": "canceled", "finished": "succeeded"}[self.kind]
        return self.status if self.kind == "error" and self.status in ("failed", "canceled") else None

    @property
    def moment(self) -> datetime:
        """When it counts."""
        told = None
        if self.kind == "started":
            told = self.started_at
        elif self.outcome:
            told = self.ended_at
        return self.at if told is None else min(told, self.at)

    @property
    def begin_told(self) -> datetime:
        """When the attempt began that it ends."""
        if self.started_at is not None:
            return min(self.started_at, self.moment)
        return self.moment - timedelta(seconds=self.metrics.get("duration_s", 0))


@dataclass
class Slot:
    """A start, and the events until the next start."""

    start: Happened | None
    others: list[Happened] = field(default_factory=list)
    ends: list[tuple[datetime, int, Happened]] = field(default_factory=list)

    def told(self) -> list[Happened]:
        """Return its events in the order of event time."""
        events = self.others + [end for *_, end in self.ends] + ([self.start] if self.start else [])
        return sorted(events, key=lambda event: (event.at, event.position))


def slots(events: Sequence[Happened]) -> list[Slot]:
    """Cut a history at its starts, each end with the start that it belongs to."""
    cut = [Slot(None)]
    for event in sorted(events, key=lambda event: (event.moment, event.position)):
        if event.kind == "started":
            cut.append(Slot(event))
        elif event.outcome:
            cut[-1].ends.append((event.moment, event.position, event))
        else:
            cut[-1].others.append(event)
    moved: list[tuple[datetime, int, Happened]] = []
    for slot, following in zip(cut, [*cut[1:], None], strict=True):
        candidates, here = sorted(moved + slot.ends, key=lambda end: end[:2]), moved
        slot.ends, moved = [], []
        for when, position, end in candidates:
            start = following.start if following else None
            if (when, position, end) not in here and start is not None and _moves(end, slot, start):
                moved.append((start.moment, position, end))
            else:
                slot.ends.append((when, position, end))
    if len(cut) > 1 and not cut[0].ends:
        cut[1].others = cut[0].others + cut[1].others
        cut = cut[1:]
    return cut


def _moves(end: Happened, slot: Slot, start: Happened) -> bool:
    if start.position > end.position or start.moment - end.begin_told > SKEW:
        return False
    if slot.start is None or slot.ends:
        return True
    if end.started_at is None and "duration_s" not in end.metrics:
        return False
    return abs(start.moment - end.begin_told) < abs(slot.start.moment - end.begin_told)


def attempts(events: Sequence[Happened]) -> list[dict[str, Any]]:
    """Return the attempts of a job as the API lists them."""
    cut = slots(events)
    listed = []
    for number, slot in enumerate(cut, 1):
        told = slot.told()
        metrics: dict[str, Any] = {}
        error: dict[str, Any] = {}
        for event in told:
            metrics |= event.metrics
            error |= {name: event.metadata[name] for name in OWN if name in event.metadata}
        begins = [event.started_at for event in told if event.started_at is not None]
        started_at = min(begins) if begins else slot.start.moment if slot.start else None
        explicit = [end for end in slot.ends if end[2].kind != "finished" or end[2].status]
        decisive = max(explicit or slot.ends, key=lambda end: end[:2])[2] if slot.ends else None
        ended_at = (decisive.ended_at or decisive.at) if decisive else None
        measured = max(0.0, (ended_at - started_at).total_seconds()) if ended_at and started_at else None
        outcome = decisive.outcome if decisive else "running" if number == len(cut) else "lost"
        if outcome == "failed" and error.get("error_type") == "lost":
            outcome = "lost"
        listed.append(
            {
                "number": number,
                "outcome": outcome,
                "started_at": started_at,
                "ended_at": ended_at,
                "duration_s": metrics.get("duration_s", measured),
                "error": error.get("error"),
                "error_type": error.get("error_type"),
                "metrics": metrics,
            }
        )
    return listed


def job(events: Sequence[Happened]) -> dict[str, Any]:
    """Return what the API shows of a job or subjob with these events."""
    listed = attempts(events)
    newest = listed[-1]
    metadata: dict[str, Any] = {}
    for event in sorted(events, key=lambda event: (event.at, event.position)):
        metadata |= {name: value for name, value in event.metadata.items() if name not in OWN}
    for event in slots(events)[-1].told():
        metadata |= {name: value for name, value in event.metadata.items() if name in OWN}
    return {
        "status": "failed" if newest["outcome"] == "lost" else newest["outcome"],
        "started_at": newest["started_at"],
        "ended_at": newest["ended_at"],
        "duration_s": newest["duration_s"],
        "metrics": newest["metrics"],
        "metadata": metadata,
        "attempts": len(listed),
        "errors": sum(event.kind == "error" for event in events),
        "attempt_list": listed,
    }


def counted(events: Sequence[Happened]) -> dict[str, Any] | None:
    """Return what statistics count of a job: its newest attempt that ended, and how its attempts went."""
    listed = attempts(events)
    ended = [attempt for attempt in listed if attempt["ended_at"] is not None]
    if not ended:
        return None
    outcomes = Counter(attempt["outcome"] for attempt in listed)
    newest = ended[-1]
    return {
        "hour": newest["ended_at"].replace(minute=0, second=0, microsecond=0),
        "status": "failed" if newest["outcome"] == "lost" else newest["outcome"],
        "duration_s": newest["duration_s"],
        "attempts": len(listed),
        "failed_attempts": outcomes["failed"],
        "lost_attempts": outcomes["lost"],
    }


def subjobs_by_status(subjobs: dict[str, Sequence[Happened]]) -> dict[str, int]:
    """Return how many subjobs of a job have which status."""
    numbers = Counter(job(events)["status"] for events in subjobs.values())
    return {status: numbers[status] for status in ("running", "succeeded", "failed", "canceled")}
