"""The one validator: what it takes PostgreSQL can store, what it refuses it refuses with a reason."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from schemas.facts import CLOCK, OWN_CLOCK, TIME, clock_headers, event_time, parse_fact
from schemas.registry import DECLARED
from schemas.sessions.facts import SessionState
from schemas.times import format_time
from schemas.validation import MAX_DEPTH, MAX_FACT_BYTES, InvalidFact

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


def refused(fact: str, body: bytes) -> InvalidFact:
    with pytest.raises(InvalidFact) as caught:
        parse_fact("session", fact, body)
    assert caught.value.details
    return caught.value


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"name":', "invalid_json"),
        (b'{"name":"n"} x', "invalid_json"),
        (b'{"name":"n",}', "invalid_json"),
        (b"{'name':'n'}", "invalid_json"),
        (b"\xff\xfe", "invalid_json"),
        (b'{"name":"\xc3"}', "invalid_json"),
        (b"\xef\xbb\xbf{}", "invalid_json"),
        (b" ", "invalid_json"),
        (b'{"a":"\\u0000"}', "invalid_text"),
        (b'{"\\u0000":1}', "invalid_text"),
        (b'{"a":["b",{"c":"x\\u0000y"}]}', "invalid_text"),
        (b'{"a":"\\ud800"}', "invalid_text"),
        (b'{"a":"\\udc00\\ud800"}', "invalid_text"),
        (b'{"\\ud83d":1}', "invalid_text"),
        (b'{"a":1e999}', "invalid_number"),
        (b'{"a":-1e999}', "invalid_number"),
        (b'{"a":[1E+400]}', "invalid_number"),
        (b'{"a":' + b"9" * 4301 + b"}", "invalid_number"),
        (b'{"a":1e-999}', "invalid_number"),
        (b'{"a":NaN}', "invalid_json"),
        (b'{"a":Infinity}', "invalid_json"),
        (b'{"a":-Infinity}', "invalid_json"),
        (nested(200), "too_deep"),
        (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", "too_deep"),
        (nested(MAX_DEPTH + 1), "too_deep"),
        (nested(100_000), "too_deep"),
        (b'{"a":"' + b"x" * MAX_FACT_BYTES + b'"}', "too_large"),
    ],
)
@pytest.mark.parametrize("fact", ["state", "ended"])
def test_what_no_fact_may_hold(fact: str, body: bytes, reason: str) -> None:
    assert refused(fact, body).reason == reason


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b' { "a" : 1 } ',
        b'{"a":"\\ud83d\\ude00"}',
        b'{"a":"\\\\u0000"}',
        b'{"a":"NaN Infinity 1e999"}',
        b'{"a":1e308}',
        b'{"a":5e-324}',
        b'{"a":0e-999}',
        b'{"a":' + b"9" * 4300 + b"}",
        b'{"a":12345678901234567890123456789}',
        nested(MAX_DEPTH),
        b'{"a":"' + b"{" * 500 + b'"}',
        b'{"a":"\\"' + b"[" * 500 + b'"}',
        b'{"a":[' + b"{}," * 500 + b"{}]}",
        b'{"a":null,"b":[null]}',
        b'{"":0}',
        b'{"a":"' + b"x" * (MAX_FACT_BYTES - 8) + b'"}',
    ],
)
def test_what_a_state_may_hold(body: bytes) -> None:
    parsed = parse_fact("session", "state", body)
    assert isinstance(parsed, SessionState)
    assert parsed.state == json.loads(body)


@pytest.mark.parametrize("fact", ["heartbeat", "ended", "crashed", "expired", "state"])
def test_an_empty_body_is_an_empty_object(fact: str) -> None:
    parse_fact("session", fact, b"")


@pytest.mark.parametrize("fact", sorted(DECLARED.facts["session"]))
@pytest.mark.parametrize("body", [b"[]", b"3", b'"text"', b"null", b"true"])
def test_a_body_is_an_object(fact: str, body: bytes) -> None:
    assert refused(fact, body).reason == "invalid_field"


@pytest.mark.parametrize(
    ("fact", "body", "names"),
    [
        ("created", b"{}", "product"),
        ("created", b'{"product":"P"}', "version"),
        ("created", b'{"product":"","version":"1"}', "product"),
        ("event", b"", "name"),
        ("event", b'{"name":""}', "name"),
        ("metric", b'{"name":"m"}', "value"),
    ],
)
def test_missing_fields_are_named(fact: str, body: bytes, names: str) -> None:
    problem = refused(fact, body)
    assert (problem.reason, problem.code.summary) == ("missing_field", "Missing required field")
    assert problem.details == f"{names} is required"


LONG = "x" * 513


@pytest.mark.parametrize(
    ("fact", "body", "names"),
    [
        ("created", {"product": 1, "version": "1"}, "product"),
        ("created", {"product": "P", "version": 1.0}, "version"),
        ("created", {"product": "P", "version": "1", "machine_id": 7}, "machine_id"),
        ("created", {"product": LONG, "version": "1"}, "product"),
        ("created", {"product": "é" * 257, "version": "1"}, "product"),
        ("created", {"product": "P", "version": "1", "hostname": LONG}, "hostname"),
        ("event", {"name": ["n"]}, "name"),
        ("event", {"name": "n", "level": "loud"}, "level"),
        ("event", {"name": "n", "labels": "one"}, "labels"),
        ("event", {"name": "n", "labels": [1]}, "labels.0"),
        ("event", {"name": "n", "data": [1]}, "data"),
        ("event", {"name": "n", "source_line": "12"}, "source_line"),
        ("event", {"name": "n", "source_line": 2**31}, "source_line"),
        ("event", {"name": "n", "message": 1}, "message"),
        ("metric", {"name": "m", "value": "1"}, "value"),
        ("metric", {"name": "m", "value": True}, "value"),
        ("metric", {"name": "m", "value": None}, "value"),
        ("metric", {"name": "m", "value": 1, "type": "speed"}, "type"),
        ("metric", {"name": "m", "value": 1, "count": 1.5}, "count"),
        ("metric", {"name": "m", "value": 1, "tags": 3}, "tags"),
        ("crashed", {"reason": 1}, "reason"),
        ("crashed", {"cause": "unknown"}, "cause"),
        ("ended", {"timestamp": 1700000000}, "timestamp"),
        ("ended", {"timestamp": "1700000000"}, "timestamp"),
        ("heartbeat", {"timestamp": "soon"}, "timestamp"),
        ("state", {"timestamp": "soon", "state": {}}, "timestamp"),
    ],
)
def test_wrong_types_are_named(fact: str, body: dict[str, object], names: str) -> None:
    problem = refused(fact, json.dumps(body).encode())
    assert problem.reason == "invalid_field"
    assert problem.details.startswith(names)


def test_unknown_fields_are_tolerated() -> None:
    parse_fact("session", "event", b'{"name":"n","colour":{"of":["the","sky"]}}')


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ({"state": {"a": 1}}, {"a": 1}),
        ({"state": {"a": 1}, "timestamp": "2026-01-31T12:00:00Z"}, {"a": 1}),
        ({"state": {"a": 1}, "more": 2}, {"state": {"a": 1}, "more": 2}),
        ({"state": "running"}, {"state": "running"}),
        ({"timestamp": "soon"}, {"timestamp": "soon"}),
        ({"state": None}, {"state": None}),
    ],
)
def test_a_wrapper_is_told_from_a_state(body: dict[str, object], state: dict[str, object]) -> None:
    parsed = parse_fact("session", "state", json.dumps(body).encode())
    assert isinstance(parsed, SessionState)
    assert parsed.state == state


def test_unknown_facts_and_entities_are_listed() -> None:
    with pytest.raises(InvalidFact, match="known are crashed, created"):
        parse_fact("session", "exploded", b"{}")
    with pytest.raises(InvalidFact, match="known are job, session"):
        parse_fact("rocket", "state", b"{}")


def test_event_time_is_body_then_header_then_store_time() -> None:
    with_time = parse_fact("session", "ended", b'{"timestamp":"2026-01-31T11:00:00Z"}')
    without = parse_fact("session", "ended", b"{}")
    header = {TIME: "2026-01-31T11:30:00Z"}
    assert event_time(with_time, header.get, NOON) == NOON - timedelta(hours=1)
    assert event_time(without, header.get, NOON) == NOON - timedelta(minutes=30)
    assert event_time(without, {}.get, NOON) == NOON


def test_ten_minutes_ahead_is_the_limit() -> None:
    body = parse_fact("session", "ended", b"{}")
    assert event_time(body, {TIME: "2026-01-31T12:10:00Z"}.get, NOON) == NOON + timedelta(minutes=10)
    with pytest.raises(InvalidFact) as caught:
        event_time(body, {TIME: "2026-01-31T12:10:00.000001Z"}.get, NOON)
    assert caught.value.reason == "time_in_future"
    with pytest.raises(InvalidFact) as caught:
        event_time(body, {TIME: "whenever"}.get, NOON)
    assert caught.value.reason == "invalid_time"


@pytest.mark.parametrize("minutes", [-60, 0, 9, 10, 11, 1_000_000])
@pytest.mark.parametrize("in_body", [True, False])
def test_a_time_that_we_set_ourselves_is_never_the_reason(minutes: int, in_body: bool) -> None:
    """The clock of a host may be wrong by any amount; what it said stays in its order."""
    at = NOON + timedelta(minutes=minutes)
    text = json.dumps({"timestamp": format_time(at)} if in_body else {})
    body = parse_fact("session", "ended", text.encode())
    headers = clock_headers(at) if not in_body else {CLOCK: OWN_CLOCK}
    assert event_time(body, headers.get, NOON) == min(at, NOON + timedelta(minutes=10))


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        ("\ufeff".encode(), "UTF-8"),
        ("\ufeff".encode("utf-16-le"), "UTF-16"),
        ("\ufeff".encode("utf-16-be"), "UTF-16"),
        ("\ufeff".encode("utf-32-le"), "UTF-32"),
        ("\ufeff".encode("utf-32-be"), "UTF-32"),
    ],
)
@pytest.mark.parametrize(("entity", "fact"), [("session", "state"), ("job", "started")])
def test_a_byte_order_mark_is_named(mark: bytes, encoding: str, entity: str, fact: str) -> None:
    """Editors and PowerShell write it; "expected value at line 1 column 1" says nothing about it."""
    with pytest.raises(InvalidFact, match=f"byte-order mark of {encoding};") as caught:
        parse_fact(entity, fact, mark + b"{}")
    assert caught.value.reason == "invalid_json"
