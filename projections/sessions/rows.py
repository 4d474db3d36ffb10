"""Rows a batch adds to the sessions read model, beside those of sessions."""

from dataclasses import dataclass, field
from typing import Any, Final

from projections.binary_copy import json_text
from projections.columns import Column
from projections.projection import Key
from projections.recorded import Recorded
from projections.sessions.merge_patch import Merging
from projections.sessions.render import served_metric, timeline_item
from projections.table import RowTable
from schemas.sessions.facts import SessionMetric

Row = tuple[Any, ...]

_PLACE: Final = (
    Column("part", "smallint"),
    Column("site", "text"),
    Column("id", "text"),
    Column("seq", "bigint"),
    Column("at", "timestamptz"),
)
_KEY: Final = ("site", "id", "seq")
_ROW: Final = 100  # counted for a row beside its JSON
EVENT: Final = RowTable("event", [*_PLACE, Column("name", "text"), Column("body", "json")], key=_KEY)
METRIC: Final = RowTable(
    "metric",
    [*_PLACE, Column("name", "text"), Column("value", "double precision"), Column("body", "json")],
    key=_KEY,
)
PATCH: Final = RowTable(  # `under`: a late `created`, which fills in under what is there
    "patch", [*_PLACE, Column("under", "boolean"), Column("body", "json")], key=_KEY
)


@dataclass(slots=True)
class SessionChanges:
    """The rows one batch adds or removes, besides those of the sessions themselves."""

    events: dict[Key, list[Row]] = field(default_factory=dict)
    metrics: dict[Key, list[Row]] = field(default_factory=dict)
    patches: dict[Key, list[Row]] = field(default_factory=dict)
    heartbeats: dict[Key, Row] = field(default_factory=dict)
    expired: dict[Key, Recorded] = field(default_factory=dict)
    merging: Merging = field(default_factory=Merging)

    def forget(self, event: Recorded) -> None:
        """Drop what the batch had for a session that now expired, and erase what the tables have."""
        for timeline in (self.events, self.metrics, self.patches):
            timeline.pop(event.key, None)
        self.expired[event.key] = event

    def add_event(self, source: Recorded, name: str, served: dict[str, Any]) -> int:
        """Add one row to the event timeline, and return its size. `served` lacks only its timestamp."""
        body = timeline_item(source.at, served)
        self.events.setdefault(source.key, []).append((*_place(source), name, body))
        return _ROW + len(body)

    def add_metric(self, source: Recorded, metric: SessionMetric) -> int:
        """Add one row to the metric timeline, and return its size."""
        body = timeline_item(source.at, served_metric(metric))
        self.metrics.setdefault(source.key, []).append((*_place(source), metric.name, metric.value, body))
        return _ROW + len(body)

    def add_patch(self, source: Recorded, patch: dict[str, Any], *, under: bool = False) -> int:
        """Add one step to the state history, and return its size."""
        body = json_text(patch)
        self.patches.setdefault(source.key, []).append((*_place(source), under, body))
        return _ROW + len(body)


def _place(source: Recorded) -> Row:
    return source.partition, *source.key, source.sequence, source.at
