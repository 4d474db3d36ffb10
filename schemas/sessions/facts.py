"""The bodies of the session facts, as the sessions reference documents them.

Unknown fields are tolerated everywhere: they stay in the stored fact and have no effect. A `timestamp` in the
body says when a fact happened; without one the `Foldline-Time` header does, and without that the store time.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from schemas.fact_body import FactBody, fact_type
from schemas.family import FactType, drop_timestamp
from schemas.numbers import Measured
from schemas.sessions.streams import HEARTBEATS, SESSIONS
from schemas.texts import IndexedText, Name
from schemas.validation import InvalidFact, parse_json

HUNG: Final = "application_appears_hung"
RECOVERED: Final = "application_recovered"
CRASH_DETECTED: Final = "session_crashed_detected"
MACHINE_RETURNED: Final = "machine_returned_session_not_resumed"

Level = Literal["debug", "info", "warning", "error", "critical"]
MetricType = Literal["gauge", "counter", "histogram", "timer"]


class SessionCreated(FactBody):
    """A session began. Product and version become its first state."""

    product: Name
    version: Name
    hostname: IndexedText | None = None
    machine_id: IndexedText | None = None


class SessionEvent(FactBody):
    """Something happened: a user action, an error, a change of condition."""

    name: Name
    level: Level | None = None
    category: IndexedText | None = None
    group: IndexedText | None = None
    labels: list[str] | None = None
    message: str | None = None
    data: dict[str, Any] | None = None
    stacktrace: list[str] | str | None = None
    exception_type: IndexedText | None = None
    exception_msg: str | None = None
    source_file: str | None = None
    source_line: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = None
    source_function: str | None = None


class SessionMetric(FactBody):
    """One measured number. Tags are labels, or names with values."""

    name: Name
    value: Measured
    type: MetricType = "gauge"
    count: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    unit: IndexedText | None = None
    tags: list[str] | dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


class SessionHeartbeat(FactBody):
    """The application is alive. Only the newest heartbeat counts, by its store time."""

    host_only: bool = False
    """The machine is alive; this says nothing about the application, and a hang goes on."""


class SessionEnded(FactBody):
    """The application ended the session normally."""


class SessionCrashed(FactBody):
    """The session ended abnormally. `cause`: somebody reported it, or it was concluded (see the fold)."""

    reason: IndexedText = "abnormal_termination"
    cause: Literal["explicit", "machine_returned"] = "explicit"
    machine_id: IndexedText | None = None


class SessionExpired(FactBody):
    """Retention expired the whole session; its other facts are purged from the line."""


class WrappedState(FactBody):
    """A state patch with a time."""

    state: dict[str, Any]


@dataclass(slots=True)
class SessionState:
    """A JSON Merge Patch (RFC 7396) of the session's state: objects merge, null deletes, the rest replaces.

    Either the patch itself, or `{"state": {…}, "timestamp": …}` with no other key.
    """

    state: dict[str, Any]
    timestamp: datetime | None = None

    @classmethod
    def parse(cls, body: bytes) -> "SessionState":
        """Read either form. Raises InvalidFact or pydantic's ValidationError."""
        value = parse_json(body)
        if not isinstance(value, dict):
            raise InvalidFact("invalid_field", f"a state is a JSON object, not {_JSON_TYPES[type(value)]}")
        if isinstance(value.get("state"), dict) and value.keys() <= _WRAPPED:
            wrapped = WrappedState.model_validate_json(body)
            return cls(wrapped.state, wrapped.timestamp)
        return cls(value)


def _drop_time_of_state(document: Any) -> None:
    if isinstance(document.get("state"), dict) and document.keys() <= _WRAPPED:
        drop_timestamp(document)  # in a bare patch, `timestamp` is a value like others


_WRAPPED: Final = WrappedState.model_fields.keys()
_JSON_TYPES: Final[dict[type, str]] = {
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}

FACTS: Final = (
    fact_type("created", SESSIONS, SessionCreated),
    FactType(
        "state",
        SESSIONS,
        SessionState.parse,
        SessionState,
        WrappedState | dict[str, Any],
        drop_times=_drop_time_of_state,
    ),
    fact_type("event", SESSIONS, SessionEvent),
    fact_type("metric", SESSIONS, SessionMetric),
    fact_type("heartbeat", HEARTBEATS, SessionHeartbeat, unreadable=SessionHeartbeat(host_only=True)),
    fact_type("crashed", SESSIONS, SessionCrashed),
    fact_type("ended", SESSIONS, SessionEnded),
    fact_type("expired", SESSIONS, SessionExpired),
)
"""The facts of a session."""
