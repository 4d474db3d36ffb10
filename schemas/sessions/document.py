"""The session document: the JSON of one session, declared once.

Three places make it: the SQL of the read model (projections.sessions.render), a session as it was
(projections.sessions.session_replay) and the answer to a create (producers.http.create_session).
"""

from datetime import datetime
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict, fields
from pydantic_core import to_json

from schemas.times import format_time


class SessionFields(Struct, frozen=True, kw_only=True):
    """The document without state and lists. The order of the fields is the order of the keys.

    A time is written by `format_time`, what is unset is left out, and None is null.
    """

    id: str
    session_id: str  # the same: clients of both names are served
    site: str
    created_at: datetime  # event time of `created`, until it comes of the first fact
    updated_at: datetime  # newest event time of any fact, or store time of the newest heartbeat
    ended_at: datetime | None
    last_heartbeat: datetime | UnsetType  # store time; unset until the first one
    active: bool
    suspended: bool
    crashed: bool
    hung: bool
    machine_id: str | None
    hostname: str | None

    def as_json_values(self) -> dict[str, Any]:
        """Return the members as plain values of JSON."""
        return {
            key: format_time(value) if isinstance(value, datetime) else value
            for key, value in asdict(self).items()
            if value is not UNSET
        }


class SessionDocument(SessionFields, frozen=True, kw_only=True):
    """The whole document. What only grows is JSON already: it is stored as it is served."""

    state: dict[str, Any]
    events: list[bytes]  # a JSON object each
    metrics: list[bytes]  # a JSON object each
    state_history: bytes  # a JSON array of `snapshot`s

    def as_json(self) -> bytes:
        """Return the JSON that is served."""
        values = self.as_json_values()
        lists = b"".join(_member(key, values.pop(key)) for key in _LISTS)
        return to_json(values)[:-1] + lists + b"}"


_LISTS: Final = [field.name for field in fields(SessionDocument) if field.type in (list[bytes], bytes)]


def snapshot(timestamp: str, state: dict[str, Any]) -> dict[str, Any]:
    """Return one item of `state_history`: the state as it was from an event time on."""
    return {"timestamp": timestamp, "state": state}


def _member(key: str, value: bytes | list[bytes]) -> bytes:
    return b',"%b":%b' % (key.encode(), value if isinstance(value, bytes) else b"[%b]" % b",".join(value))
