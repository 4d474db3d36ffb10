"""The reference of the jobs read model, from all events at once, without any code of the product.

The rules of the issue over the whole history of a job: an attempt ends with the newest end that happened not
before its start; a start after an end is another attempt.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Happened:
    """One event as it was sent."""

    at: datetime
    kind: str
    status: str | None = None


TERMINAL = {"succeeded", "failed", "canceled"}


def outcome(event: Happened) -> str | None:
    """Return how an event ends a job, if it does."""
    if event.kind == "canceled":
        return "canceled"
    if event.kind == "finished":
        return event.status or "succeeded"
    return event.status if event.status in TERMINAL and event.kind != "started" else None


def standing(events: Sequence[Happened]) -> dict[str, Any]:
    """Return status and end of a job, whatever order its events arrived in."""
    starts = [event.at for event in events if event.kind == "started"]
    ends = [event for event in events if outcome(event)]
    newest = max((event.at for event in ends), default=None)
    if newest is None or any(start > newest for start in starts):
        return {"status": "running", "ended_at": None}
    first = next(event for event in ends if event.at == newest)
    return {"status": outcome(first), "ended_at": newest}


def subjobs_by_status(subjobs: dict[str, Sequence[Happened]]) -> dict[str, int]:
    """Return how many subjobs of a job have which status."""
    counted = Counter(standing(events)["status"] for events in subjobs.values())
    return {status: counted[status] for status in ("running", "succeeded", "failed", "canceled")}
