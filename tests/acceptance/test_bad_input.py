"""Bad input: the documented errors over HTTP, and set aside with its reason when it came by NATS."""

from typing import Any

import pytest

from tests.acceptance.calls import position, problem
from tests.acceptance.sessions_api import SessionsApi
from tests.line import Line
from tests.waiting import wait_until_sync

BAD: dict[str, tuple[bytes, str]] = {
    "broken": (b'{"name":', "invalid_json"),
    "wrong-type": (b'{"name":"n","value":"3"}', "invalid_field"),
    "nul": (b'{"name":"a\\u0000b","value":1}', "invalid_text"),
    "surrogate": (b'{"name":"a\\ud800b","value":1}', "invalid_text"),
    "deep": (b'{"name":"n","value":1,"metadata":' + b'{"a":' * 200 + b"1" + b"}" * 201, "too_deep"),
    "2-mib": (b'{"name":"n","value":1,"unit":"' + b"x" * (2 << 20) + b'"}', "too_large"),
    "infinite": (b'{"name":"n","value":1e999}', "invalid_number"),
    "nan": (b'{"name":"n","value":NaN}', "invalid_json"),
    "missing": (b'{"name":"n"}', "missing_field"),
    "not-utf8": (b'{"name":"\xff","value":1}', "invalid_json"),
    "array": (b"[]", "invalid_field"),
}


async def test_over_nats_good_facts_apply_and_bad_ones_are_listed(
    api: SessionsApi, line: Line, unique: str
) -> None:
    expected: dict[int, str] = {}
    await line.created(unique)
    last = 0
    for n, (body, reason) in enumerate(BAD.values()):
        expected[await line.put("metric", unique, body)] = reason
        last = await line.put("metric", unique, {"name": "good", "value": n})
    session = api.session(unique, position(unique, last))
    assert [metric["value"] for metric in session["metrics"]] == list(range(len(BAD)))

    def listed() -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        cursor = None
        while True:
            params = {"limit": "100", "stream": "SESSIONS"} | ({"cursor": cursor} if cursor else {})
            page = api.http.get("/v1/rejected", params=params).json()
            ours = [item for item in page["items"] if item["sequence"] in expected]
            found |= {item["sequence"]: item for item in ours}
            cursor = page["next_cursor"]
            if not cursor or len(found) == len(expected):
                return found

    wait_until_sync(lambda: len(listed()) == len(expected))
    items = listed()
    assert {sequence: item["reason"] for sequence, item in items.items()} == expected
    for item in items.values():
        assert item["projection"] == "sessions"
        assert item["stream"] == "SESSIONS"
        assert item["subject"] == f"ev.local.session.{unique}.metric"
        assert item["details"]
        assert item["stored_at"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=x",
        "limit=5000",
        "cursor=nonsense",
        "sort=colour",
        "status=happy",
        "created_after=noon",
        "state=x",
    ],
)
def test_bad_parameters_are_refused(api: SessionsApi, query: str) -> None:
    problem(api.http.get(f"/api/data/sessions?{query}"), 400, "Invalid parameter")


def test_a_long_product_from_a_patch_is_no_trouble(api: SessionsApi) -> None:
    """Fields that are short in `created` may grow by a patch: what the door takes, the read model takes."""
    session_id = api.create()
    text = "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(20_000))
    api.write(session_id, "state", {"product": text, "version": {"not": "text"}})
    assert api.session(session_id)["state"]["product"] == text
