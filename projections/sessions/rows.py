"""Rows a batch adds to the sessions read model, and the JSON its timelines serve."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from projections.bulk_upsert import json_text
from projections.projection import Key
from projections.recorded import Recorded
from schemas.sessions.facts import FactBody, SessionEvent, SessionMetric
from schemas.times import json_time

Row = tuple[Any, ...]

_TIME: Final = frozenset({"timestamp"})
_DERIVED: Final = frozenset({"timestamp", "level", "category"})


@dataclass(slots=True)
class SessionChanges:
    """What one batch does to the tables besides the session rows themselves."""

    events: dict[Key, list[Row]] = field(default_factory=dict)
    metrics: dict[Key, list[Row]] = field(default_factory=dict)
    patches: dict[Key, list[Row]] = field(default_factory=dict)
    heartbeats: dict[Key, Row] = field(default_factory=dict)
    expired: dict[Key, Recorded] = field(default_factory=dict)

    def forget(self, event: Recorded) -> None:
        """Drop what the batch had for a session that now expired, and erase what the tables have."""
        for timeline in (self.events, self.metrics, self.patches):
            timeline.pop(event.key, None)
        self.expired[event.key] = event

    def add_event(self, source: Recorded, name: str, served: dict[str, Any]) -> None:
        """One row of the event timeline; `served` without its timestamp."""
        body = _served(source.at, served)
        self.events.setdefault(source.key, []).append((*_place(source), name, body))

    def add_metric(self, source: Recorded, metric: SessionMetric) -> None:
        """One row of the metric timeline."""
        served = _present(metric, _TIME)
        row = (*_place(source), metric.name, metric.value, _served(source.at, served))
        self.metrics.setdefault(source.key, []).append(row)

    def add_patch(self, source: Recorded, patch: dict[str, Any], *, under: bool = False) -> None:
        """One step of the state history."""
        self.patches.setdefault(source.key, []).append((*_place(source), under, json_text(patch)))


def served_event(event: SessionEvent) -> dict[str, Any]:
    """An event as the API shows it: defaults filled in, absent fields left out."""
    failed = event.exception_type is not None
    served = _present(event, _DERIVED)
    served["level"] = event.level or ("error" if failed else "info")
    served["category"] = event.category or ("error" if failed else "info")
    return served


def _present(body: FactBody, without: frozenset[str]) -> dict[str, Any]:
    # A body holds plain JSON values: a dump would only copy them.
    return {name: value for name, value in vars(body).items() if value is not None and name not in without}


def _place(source: Recorded) -> Row:
    return source.partition, *source.key, source.sequence, source.at


def _served(at: datetime, served: dict[str, Any]) -> str:
    return json_text({"timestamp": json_time(at), **served})
