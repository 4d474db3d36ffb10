"""Every field of every fact arrives, with the time its producer gave it."""

from typing import Any

import pytest

from tests.acceptance.sessions_api import SessionsApi


@pytest.mark.parametrize("kind", ["object", "other"])
def test_what_is_no_object_replaces(api: SessionsApi, session: str, kind: str) -> None:
    objects: list[Any] = [{"a": {"b": 1}}, {"a": {"b": 1, "c": [None, {"d": None}]}}]
    others: list[Any] = [[1, 2], "text", 1.5, False, 2**63, 1e-300, "", [], {"only": "this"}]
    for value in objects if kind == "object" else others:
        api.write(session, "state", {"value": value})
        assert api.session(session)["state"]["value"] == value
    history = [snapshot["state"].get("value") for snapshot in api.session(session)["state_history"]]
    assert history == [None, *(objects if kind == "object" else others)]


def test_a_wrapper_has_no_other_keys(api: SessionsApi, session: str) -> None:
    api.write(session, "state", {"state": {"a": 1}, "timestamp": "2024-01-01T12:00:00.123456789+02:00"})
    api.write(session, "state", {"state": {"b": 2}, "other": 3})
    document = api.session(session)
    assert document["state"] == {"product": "P", "version": "1", "a": 1, "state": {"b": 2}, "other": 3}
    assert document["state_history"][1]["timestamp"] == "2024-01-01T10:00:00.123456Z"


def test_an_event_keeps_every_field(api: SessionsApi, session: str) -> None:
    full = {
        "name": "user_action",
        "level": "warning",
        "category": "ui",
        "group": "forms",
        "labels": ["button", "click"],
        "message": "User clicked submit button — 1½ ☕",
        "data": {"button_id": "submit", "form": {"deep": [1, {"x": None}]}},
        "stacktrace": ["a", "b"],
        "exception_type": "ValidationError",
        "exception_msg": "Invalid email",
        "source_file": "form.py",
        "source_line": 12,
        "source_function": "submit",
        "timestamp": "2024-01-01T12:00:01.000000Z",
    }
    api.write(session, "events", full)
    api.write(session, "events", {**full, "unknown": 1})
    assert api.session(session)["events"] == [full, full]


def test_a_metric_keeps_every_field(api: SessionsApi, session: str) -> None:
    full = {
        "name": "response_time_ms",
        "value": 123.45,
        "type": "histogram",
        "count": 7,
        "unit": "ms",
        "tags": ["api", "v2", "user"],
        "metadata": {"bounds": [1, 2]},
        "timestamp": "2024-01-01T12:00:02.500000Z",
    }
    api.write(session, "metrics", full)
    api.write(session, "metrics", {**full, "tags": {"where": "backend", "n": 1}})
    assert api.session(session)["metrics"] == [full, {**full, "tags": {"where": "backend", "n": 1}}]


def test_heartbeats_move_two_times(api: SessionsApi, session: str) -> None:
    api.write(session, "heartbeat")
    first = api.session(session)
    assert first["last_heartbeat"] == first["updated_at"] > first["created_at"]
    api.write(session, "heartbeat", {})
    assert api.session(session)["last_heartbeat"] > first["last_heartbeat"]


def test_what_comes_after_the_end_still_counts(api: SessionsApi, session: str) -> None:
    api.write(session, "end")
    api.write(session, "state", {"late": True})
    api.write(session, "events", {"name": "late"})
    document = api.session(session)
    assert document["state"]["late"] is True
    assert len(document["events"]) == 1
    assert (document["active"], document["crashed"]) == (False, False)
    api.write(session, "crash")
    crashed = api.session(session)
    assert (crashed["crashed"], crashed["ended_at"]) == (True, document["ended_at"])


def test_when_it_happened_is_the_producer_s_to_say(api: SessionsApi) -> None:
    def header(second: int) -> dict[str, str]:
        return {"Foldline_Time": f"2024-01-01T13:00:0{second}+01:00"}

    created = api.request(
        "POST",
        "/api/sessions",
        json={"product": "a", "version": "1"},
        headers={"Foldline-Time": "2024-01-01T12:00:00Z"},
    ).json()
    session = created["id"]
    api.write(session, "state", {"a": 1}, **header(1))
    api.write(session, "events", {"name": "e"}, **header(2))
    api.write(session, "events", {"name": "body", "timestamp": "2024-01-01T12:00:03Z"}, **header(9))
    api.write(session, "metrics", {"name": "m", "value": 1, "timestamp": "2024-01-01 12:00:04"})
    api.write(session, "crash", {}, **header(5))
    document = api.session(session)
    events = [event["timestamp"] for event in document["events"]]
    times = [
        created["created_at"],
        document["state_history"][1]["timestamp"],
        *events[:2],
        document["metrics"][0]["timestamp"],
        events[2],
    ]
    assert times == [f"2024-01-01T12:00:0{second}.000000Z" for second in range(6)]
    assert document["created_at"] == times[0]
    assert document["updated_at"] == document["ended_at"] == times[5]


def test_a_long_product_from_a_patch_is_no_trouble(api: SessionsApi) -> None:
    """Fields that are short in `created` may grow by a patch: what admission takes, the read model takes."""
    session_id = api.create()
    text = "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(20_000))
    api.write(session_id, "state", {"product": text, "version": {"not": "text"}})
    assert api.session(session_id)["state"]["product"] == text
