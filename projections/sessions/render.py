"""Rows of the sessions read model as JSON: the document is put together by PostgreSQL, its history here."""

from datetime import datetime
from types import GenericAlias, UnionType
from typing import Any, Final

from msgspec import UnsetType
from msgspec.structs import FieldInfo, fields

from projections.sessions.history import read_patches, serve, snapshots
from schemas.sessions.document import SessionDocument

*_SELECTED, _HISTORY = fields(SessionDocument)  # the history is folded from patches, not selected

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

_TIME: Final = "'\"' || foldline.rfc3339({value}) || '\"'"
_FORMS: Final[dict[type | UnionType | GenericAlias, str]] = {
    str: "'{key}', to_json({value})",
    str | None: "'{key}', coalesce(to_json({value})::text, 'null')",
    bool: "'{key}', ({value})::text",
    datetime: "'{key}\"', foldline.rfc3339({value}), '\"'",
    datetime | None: f"'{{key}}', coalesce({_TIME}, 'null')",
    datetime | UnsetType: f"'{{key}}' || {_TIME}",
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


def with_history(document: str, patches: str | None) -> bytes:
    """Close the JSON of a selected session with its history. `patches` is as the statement returns them."""
    history = serve(snapshots(read_patches(patches)))
    return b'%b,"%b":%b}' % (document.encode(), _HISTORY.name.encode(), history)
