"""Sessions as JSON: items of timelines before they are stored, and documents, put together by PostgreSQL."""

from datetime import datetime
from types import GenericAlias, UnionType
from typing import Any, Final

from msgspec import UnsetType
from msgspec.structs import FieldInfo, fields

from projections.binary_copy import json_text
from schemas.fact_body import FactBody
from schemas.sessions.document import SessionDocument
from schemas.sessions.facts import SessionEvent, SessionMetric
from schemas.times import json_time

_TIME: Final = frozenset({"timestamp"})
_DERIVED: Final = frozenset({"timestamp", "level", "category"})


def served_event(event: SessionEvent) -> dict[str, Any]:
    """Return an event as it is served, without its timestamp: defaults filled in, absent fields left out."""
    failed = event.exception_type is not None
    served = _present(event, _DERIVED)
    served["level"] = event.level or ("error" if failed else "info")
    served["category"] = event.category or ("error" if failed else "info")
    return served


def served_metric(metric: SessionMetric) -> dict[str, Any]:
    """Return a metric as it is served, without its timestamp: absent fields left out."""
    return _present(metric, _TIME)


def timeline_item(at: datetime, served: dict[str, Any]) -> str:
    """Return the JSON of an event or metric as it is stored and served; `at` is its event time."""
    return json_text({"timestamp": json_time(at), **served})


def _present(body: FactBody, without: frozenset[str]) -> dict[str, Any]:
    # A body holds plain JSON values: a dump would only copy them.
    return {name: value for name, value in vars(body).items() if value is not None and name not in without}


*_SELECTED, _HISTORY = fields(SessionDocument)  # the history is folded from patches, not selected
TIMELINES: Final = [member.name for member in _SELECTED if member.type == list[bytes]]
HISTORY: Final = _HISTORY.name
"""Names of the arrays of a document, which are its last members."""

_VALUES: Final = {
    "id": "s.id",
    "session_id": "s.id",
    "site": "s.site",
    "created_at": "s.created_at",
    "updated_at": "c.updated_at",
    "ended_at": "s.ended_at",
    "last_heartbeat": "h.at",
    "active": "c.status = 'active'",
    "suspended": "c.status = 'suspended'",
    "crashed": "s.crashed",
    "hung": "s.hung_seq is not null",
    "machine_id": "s.machine_id",
    "hostname": "s.hostname",
    "state": "s.state",
    "events": "{events}",
    "metrics": "{metrics}",
}
"""The value of each member in SQL, over the fragment `seen` of `read.sql`."""

_TIME_SQL: Final = "'\"' || foldline.rfc3339({value}) || '\"'"
_FORMS: Final[dict[type | UnionType | GenericAlias, str]] = {
    str: "'{key}', to_json({value})",
    str | None: "'{key}', coalesce(to_json({value})::text, 'null')",
    bool: "'{key}', ({value})::text",
    datetime: "'{key}\"', foldline.rfc3339({value}), '\"'",
    datetime | None: f"'{{key}}', coalesce({_TIME_SQL}, 'null')",
    datetime | UnsetType: f"'{{key}}' || {_TIME_SQL}",
    dict[str, Any]: "'{key}', {value}::text",
    list[bytes]: "'{key}[', {value}, ']'",
}
"""A member in SQL by its type: arguments of concat(), which skips nulls."""


def _arguments(members: list[FieldInfo]) -> str:
    return ",\n    ".join(
        _FORMS[member.type].format(
            key=f'{"{" if member is _SELECTED[0] else ","}"{member.name}":', value=_VALUES[member.name]
        )
        for member in members
    )


DOCUMENT: Final = {
    "fields": _arguments([member for member in _SELECTED if member.type != list[bytes]]),
    "timelines": _arguments([member for member in _SELECTED if member.type == list[bytes]]),
}
"""Parts of the statements that select documents. Instead of `timelines` there may be `{counts}`."""


LARGEST_WHOLE: Final = 256 << 10
"""The largest `timelines_size` of a session that is read in one piece."""
