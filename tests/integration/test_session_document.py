"""The session document is the same wherever it is made: by the read model, time travel, and a create."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from msgspec.structs import fields
from nats.aio.client import Client

from foldline.settings import Settings
from schemas.sessions.document import SessionDocument
from schemas.subjects import partition_of
from schemas.times import format_time
from tests.support.engine import engine
from tests.support.line import PARTITIONS, Line
from tests.support.served_surface import served_surface

KEYS = [field.name for field in fields(SessionDocument)]
SESSION = "/api/sessions/S1"


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with engine(settings), served_surface(settings) as client:
        yield client


def document(answer: httpx.Response) -> dict[str, Any]:
    """The members in the order of the answer; numbers as they are written."""
    assert answer.is_success, answer.text
    found: dict[str, Any] = json.loads(answer.content, parse_float=Decimal)
    return found


async def past_and_present(
    api: httpx.AsyncClient, stream: str, sequence: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The session as the read model has it once it has folded a fact, and as time travel folds it now."""
    position = f"{stream}/{partition_of('S1', PARTITIONS)}:{sequence}"
    passed = {"Foldline-Min-Position": position, "Foldline-Wait": "20000"}
    present = document(await api.get(SESSION, headers=passed))
    past = document(await api.get(SESSION, params={"at": format_time(datetime.now(UTC))}))
    return past, present


async def test_time_travel_to_now_equals_the_read_model(nc: Client, api: httpx.AsyncClient) -> None:
    line = Line(nc)
    facts: list[tuple[str, dict[str, Any]]] = [
        (
            "state",
            {"early": {"n": 10**30, "f": 1.5e-9}, "product": "Early", "array": [None, {"é": 1}]},
        ),
        (
            "created",
            {"product": "P", "version": '"1"\n', "hostname": "h\u2028\\", "machine_id": "00:11"},
        ),
        ("state", {"early": {"n": None, "deep": {"x": [1e19, True]}}, "more": ""}),
        ("heartbeat", {}),
        ("event", {"name": "login", "labels": ["a"], "data": {"user": None, "n": 10**20}}),
        ("event", {"name": "failed", "exception_type": "ValueError", "source_line": 7, "stacktrace": ["x"]}),
        ("metric", {"name": "m", "value": 1e300, "unit": "ms", "tags": {"k": 1}, "count": 2}),
        ("event", {"name": "application_appears_hung", "timestamp": "2026-01-31T12:00:00Z"}),
        ("crashed", {"cause": "machine_returned", "machine_id": "00:11"}),
        ("heartbeat", {}),
        ("event", {"name": "application_recovered"}),
        ("crashed", {"reason": "killed"}),
        ("ended", {"timestamp": "2026-01-31T12:00:00.000001+02:00"}),
    ]
    beating = False
    for fact, body in facts:
        beating = beating or fact == "heartbeat"
        sequence = await line.put(fact, "S1", body)
        stream = "HEARTBEATS" if fact == "heartbeat" else "SESSIONS"
        past, present = await past_and_present(api, stream, sequence)
        expected = [key for key in KEYS if beating or key != "last_heartbeat"]
        assert [*present] == [*past] == expected
        for key in expected:
            assert past[key] == present[key], key
    assert [event["name"] for event in present["events"]] == [
        "login",
        "failed",
        "application_appears_hung",
        "session_crashed_detected",
        "application_recovered",
        "session_crashed_detected",
    ]
    assert len(present["metrics"]) == 1
    assert len(present["state_history"]) == 3
    assert present["crashed"]
    assert present["ended_at"]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"hostname": "h\u2028", "machine_id": "00:11", "timestamp": "2026-01-31T12:00:00Z"},
        {"hostname": "", "machine_id": ""},
    ],
)
async def test_a_create_answers_as_the_later_get(api: httpx.AsyncClient, more: dict[str, Any]) -> None:
    body = {"session_id": "S1", "product": 'P"', "version": "1.0\n"} | more
    once = {"Idempotency-Key": "once"}
    created, again = [document(await api.post("/api/sessions", json=body, headers=once)) for _ in range(2)]
    past, present = await past_and_present(api, "SESSIONS", 1)
    expected = [key for key in KEYS if key != "last_heartbeat"]
    assert [*created] == [*again] == [*present] == [*past] == expected
    for key in expected:
        assert created[key] == again[key] == present[key] == past[key], key
