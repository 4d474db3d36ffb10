"""Models of the sessions surface's bodies, beside what makes the bodies and what the reference shows."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from msgspec import UnsetType
from msgspec.structs import fields
from pydantic import TypeAdapter
from pydantic_core import from_json

from producers.http.session_writes import NewSession, WriteAccepted
from projections.sessions.render import served_event, served_metric, timeline_item
from schemas.errors import SessionError
from schemas.sessions.document import SessionDocument
from schemas.sessions.facts import SessionEvent, SessionMetric
from schemas.sessions.family import SESSION
from schemas.sessions.responses import (
    EventPage,
    LoggedEvent,
    RecordedMetric,
    Session,
    SessionDiff,
    SessionSummary,
)
from tests.support.strict_schema import problems

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
EVENT = {
    "name": "e",
    "level": "error",
    "category": "ui",
    "group": "g",
    "labels": ["a"],
    "message": "m",
    "data": {"a": None},
    "stacktrace": ["f"],
    "exception_type": "E",
    "exception_msg": "m",
    "source_file": "f.py",
    "source_line": 7,
    "source_function": "f",
}
METRIC = {
    "name": "m",
    "value": 1.5,
    "type": "timer",
    "count": 2,
    "unit": "s",
    "tags": {"a": 1},
    "metadata": {"b": []},
}

# Bodies of sessions-rest-api.md.
CREATED = {
    "id": "550e8400-e29b-41d4-a716-446655440000",
    "created_at": "2024-01-01T12:00:00Z",
    "updated_at": "2024-01-01T12:00:00Z",
    "active": True,
    "crashed": False,
    "hung": False,
    "suspended": False,
    "state": {"product": "MyApplication", "version": "1.0.0"},
    "events": [],
    "metrics": [],
    "machine_id": "00:11:22:33:44:55",
    "hostname": "localhost",
}
READ = CREATED | {
    "ended_at": None,
    "events": [
        {
            "timestamp": "2024-01-01T12:00:01Z",
            "name": "user_login",
            "level": "info",
            "data": {"username": "alice"},
        }
    ],
    "metrics": [
        {"timestamp": "2024-01-01T12:00:02Z", "name": "response_time", "value": 123.45, "tags": ["api"]}
    ],
    "state_history": [{"timestamp": "2024-01-01T12:00:00Z", "state": {"product": "TestApp"}}],
    "last_heartbeat": "2024-01-01T12:00:05Z",
}

BODIES = {fact.name: fact.body for fact in SESSION.facts}


def test_a_session_has_the_members_of_the_document() -> None:
    served = {field.name: field.type for field in fields(SessionDocument)}
    declared = TypeAdapter(Session).json_schema()
    assert list(declared["properties"]) == list(served)
    for name, type_ in served.items():
        nullable = {"type": "null"} in declared["properties"][name].get("anyOf", [])
        assert nullable is (type(None) in get_args(type_)), name
        assert (name in declared["required"]) is (UnsetType not in get_args(type_)), name


def test_a_summary_is_a_session_with_counts() -> None:
    lists = {"events", "metrics", "state_history"}
    counts = {"event_count", "metric_count"}
    assert SessionSummary.__annotations__.keys() == (Session.__annotations__.keys() - lists) | counts


@pytest.mark.parametrize("body", [EVENT, {"name": "e"}, {"name": "e", "stacktrace": "text"}])
def test_an_event_is_what_is_stored(body: dict[str, Any]) -> None:
    served = from_json(timeline_item(NOON, served_event(SessionEvent.model_validate(body))))
    assert served.items() >= body.items()
    assert problems(LoggedEvent, served) == []
    assert LoggedEvent.__annotations__.keys() == SessionEvent.model_fields.keys()


@pytest.mark.parametrize(
    "body", [METRIC, {"name": "m", "value": 1.0}, {"name": "m", "value": 0.0, "tags": ["a"]}]
)
def test_a_metric_is_what_is_stored(body: dict[str, Any]) -> None:
    served = from_json(timeline_item(NOON, served_metric(SessionMetric.model_validate(body))))
    assert served.items() >= body.items()
    assert problems(RecordedMetric, served) == []
    assert RecordedMetric.__annotations__.keys() == SessionMetric.model_fields.keys()


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (Session, CREATED),
        (Session, READ),
        (WriteAccepted, {"success": True}),
        (SessionError, {"error": "Missing required field", "details": "product is required"}),
        (SessionError, {"error": "Session not found", "details": "No session with ID abc-123"}),
        (EventPage, {"items": [], "total": 0, "next_cursor": None}),
        (
            SessionDiff,
            {
                "from": {"at": "2024-01-01T12:00:00Z", "sequence": None, "exists": False},
                "to": {"at": "2024-01-01T12:00:00Z", "sequence": 7, "exists": True},
                "fields": [{"path": "/active", "change": "changed", "from": True, "to": False}],
                "state": [{"path": "/a", "change": "added", "to": None}],
                "events": [],
                "metrics": [],
                "event_count": 0,
                "metric_count": 0,
            },
        ),
    ],
)
def test_documented_answers_are_in_the_models(model: Any, body: dict[str, Any]) -> None:
    assert problems(model, body, whole=False) == []
    assert problems(model, body | {"undocumented": 1}, whole=False) != []


@pytest.mark.parametrize(
    ("request_type", "body"),
    [
        (
            NewSession,
            {"product": "MyApplication", "version": "1.0.0", "hostname": "localhost", "machine_id": "00:11"},
        ),
        (NewSession, {"product": "TestApp", "version": "1.0.0"}),
        (BODIES["state"], {"status": "running", "user": "alice", "nested": {"field1": "value1"}}),
        (BODIES["state"], {"status": None}),
        (
            BODIES["event"],
            {
                "name": "user_action",
                "level": "info",
                "category": "ui",
                "labels": ["button", "click"],
                "message": "User clicked submit button",
                "data": {"button_id": "submit", "form": "login"},
            },
        ),
        (BODIES["metric"], {"name": "response_time_ms", "value": 123.45, "tags": ["api", "v2"]}),
        (BODIES["heartbeat"], {}),
        (BODIES["ended"], {}),
        (BODIES["crashed"], {"reason": "abnormal_termination"}),
    ],
)
def test_documented_requests_are_valid(request_type: Any, body: dict[str, Any]) -> None:
    TypeAdapter(request_type).validate_python(body)
