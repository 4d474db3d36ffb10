"""What was published straight to NATS and is not valid: no effect, nothing stops, listed with its reason."""

from typing import Any

from tests.acceptance.calls import position
from tests.acceptance.sessions_api import SessionsApi
from tests.support.line import Line
from tests.support.waiting import wait_until_sync

DEEP = b'{"name":"n","value":1,"metadata":' + b'{"a":' * 200 + b"1" + b"}" * 201

POISON: dict[str, tuple[str, bytes, str]] = {
    "broken JSON": ("metric", b'{"name":', "invalid_json"),
    "no JSON": ("state", b"hello", "invalid_json"),
    "wrong type": ("metric", b'{"name":"n","value":"3"}', "invalid_field"),
    "another wrong type": ("event", b'{"name":5}', "invalid_field"),
    "no object": ("state", b"[]", "invalid_field"),
    "NUL": ("event", b'{"name":"a\\u0000b"}', "invalid_text"),
    "NUL in a key": ("state", b'{"a\\u0000b":1}', "invalid_text"),
    "a raw NUL": ("event", b'{"name":"a\x00b"}', "invalid_json"),
    "lone surrogate": ("event", b'{"name":"a\\ud800b"}', "invalid_text"),
    "lone surrogate in a patch": ("state", b'{"a":"\\udfff"}', "invalid_text"),
    "200 deep": ("metric", DEEP, "too_deep"),
    "a deep patch": ("state", b'{"a":' * 200 + b"1" + b"}" * 200, "too_deep"),
    "2 MiB": ("state", b'{"a":"' + b"x" * (2 << 20) + b'"}', "too_large"),
    "infinite": ("metric", b'{"name":"n","value":1e999}', "invalid_number"),
    "NaN": ("metric", b'{"name":"n","value":NaN}', "invalid_json"),
    "missing": ("metric", b'{"name":"n"}', "missing_field"),
    "not UTF-8": ("event", b'{"name":"\xff"}', "invalid_json"),
    "the future": ("event", b'{"name":"e","timestamp":"2999-01-01T00:00:00Z"}', "time_in_future"),
    "a second created": ("created", b'{"product":"again","version":"2"}', "already_created"),
    "a crash of no kind": ("crashed", b'{"cause":"other"}', "invalid_field"),
}


async def test_good_facts_apply_and_bad_ones_are_listed(api: SessionsApi, line: Line, unique: str) -> None:
    expected: dict[int, tuple[str, str]] = {}
    last = await line.created(unique)
    for n, (fact, body, reason) in enumerate(POISON.values()):
        expected[await line.put(fact, unique, body)] = (fact, reason)
        await line.put("state", unique, {"n": n})
        await line.put("event", unique, {"name": f"e{n}"})
        last = await line.put("metric", unique, {"name": "good", "value": n})
    document = api.session(unique, position(unique, last))
    count = len(POISON)
    assert document["state"] == {"product": "P", "version": "1", "n": count - 1}
    assert [event["name"] for event in document["events"]] == [f"e{n}" for n in range(count)]
    assert [metric["value"] for metric in document["metrics"]] == list(range(count))
    assert len(document["state_history"]) == count + 1
    assert (document["active"], document["crashed"]) == (True, False)
    items = {item["sequence"]: item for item in rejected(api, unique)}
    found = {sequence: (item["subject"].split(".")[4], item["reason"]) for sequence, item in items.items()}
    assert found == expected
    for item in items.values():
        assert (item["projection"], item["stream"]) == ("sessions", "SESSIONS")
        assert item["details"]
        assert document["created_at"] <= item["stored_at"]
    wanted = {"reason": "already_created", "limit": 1000}
    listed = {item["sequence"] for item in api.get("/v1/rejected", **wanted)["items"]}
    assert listed & expected.keys() == {one for one in expected if expected[one][1] == "already_created"}


async def test_a_heartbeat_that_cannot_be_read_counts_for_its_host_and_is_noted(
    api: SessionsApi, line: Line, unique: str
) -> None:
    """On the line it has replaced the one before it: the newest alone has to be the truth."""
    last = await line.created(unique)
    bad = await line.put("heartbeat", unique, b'{"timestamp":5}')
    document = api.session(unique, position(unique, last), position(unique, bad, "HEARTBEATS"))
    assert document["last_heartbeat"] >= document["created_at"]
    (item,) = rejected(api, unique)
    assert (item["stream"], item["sequence"], item["reason"]) == ("HEARTBEATS", bad, "invalid_field")
    good = await line.put("heartbeat", unique)
    later = api.session(unique, position(unique, good, "HEARTBEATS"))
    assert later["last_heartbeat"] > document["last_heartbeat"]


async def test_ids_that_are_none(api: SessionsApi, line: Line, unique: str) -> None:
    """The server takes more characters in a subject than an id has."""
    odd = f"{unique}$é"
    bad = await line.put("created", odd, {"product": "P", "version": "1"})
    last = await line.created(unique)
    await line.put("event", odd, {"name": "e"})
    api.session(unique, position(unique, last))
    # Whoever holds the odd one's partition may be another than the one that was waited for.
    ours = rejected(api, odd, at_least=2)
    assert {item["reason"] for item in ours} == {"invalid_subject"}
    assert bad in {item["sequence"] for item in ours}


def rejected(api: SessionsApi, session_id: str, at_least: int = 1) -> list[dict[str, Any]]:
    """What is listed of a session, once there are so many."""

    def listed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = api.get("/v1/rejected", limit=100, **cursor)
            found += [item for item in page["items"] if item["subject"].split(".")[3] == session_id]
            if page["next_cursor"] is None:
                return found if len(found) >= at_least else []
            cursor = {"cursor": page["next_cursor"]}

    return wait_until_sync(listed, what=f"rejected facts of {session_id}")
