"""Events, metrics and history by pages."""

from typing import Any

import pytest

from tests.acceptance.sessions_api import SessionsApi, names


def time(second: int) -> str:
    return f"2024-01-01T12:00:{second:02}.000000Z"


@pytest.fixture
def full(api: SessionsApi, session: str) -> str:
    """A session with ten of each, a second apart by their own time."""
    for n in range(10):
        level = ("info", "error")[n % 2]
        api.write(session, "events", {"name": f"e{n % 3}", "level": level, "timestamp": time(n)})
        api.write(session, "metrics", {"name": f"m{n % 2}", "value": n, "timestamp": time(n)})
        api.write(session, "state", {"state": {"n": n}, "timestamp": time(n)})
    return session


def pages(api: SessionsApi, path: str, **params: Any) -> tuple[list[Any], list[int]]:
    """All items by following the cursor, and the sizes of the pages."""
    items: list[Any] = []
    sizes: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.get(path, **params, **cursor)
        assert page.keys() == {"items", "total", "next_cursor"}
        items += page["items"]
        sizes.append(len(page["items"]))
        if page["next_cursor"] is None:
            assert page["total"] == len(items)
            return items, sizes
        cursor = {"cursor": page["next_cursor"]}


def test_pages_are_the_document_in_parts(api: SessionsApi, full: str) -> None:
    document = api.session(full)
    lists = {"events": "events", "metrics": "metrics", "history": "state_history"}
    for path, key in lists.items():
        whole = f"/api/sessions/{full}/{path}"
        there = document[key]
        assert api.get(whole)["items"] == there
        items, sizes = pages(api, whole, limit=4)
        assert items == there
        assert sizes == ([4, 4, 3] if path == "history" else [4, 4, 2])
        assert pages(api, whole, limit=5, order="desc")[0] == there[::-1]
        assert api.get(whole, offset=8, limit=2)["items"] == there[8:10]
        assert api.get(whole, offset=100) == {"items": [], "total": len(there), "next_cursor": None}


def test_pages_are_filtered(api: SessionsApi, full: str) -> None:
    events, metrics, history = (f"/api/sessions/{full}/{path}" for path in ("events", "metrics", "history"))
    found = api.get(events, name="e0", level="error")
    assert (found["total"], names(found["items"])) == (2, ["e0", "e0"])
    span = {"since": time(3), "until": time(6)}
    assert [one["timestamp"] for one in api.get(events, **span)["items"]] == [time(3), time(4), time(5)]
    assert [one["value"] for one in api.get(metrics, name="m1", **span)["items"]] == [3, 5]
    assert [one["state"]["n"] for one in api.get(history, **span)["items"]] == [3, 4, 5]
    assert pages(api, events, limit=1, level="error", order="desc")[1] == [1] * 5


@pytest.mark.parametrize("path", ["events", "metrics", "history"])
@pytest.mark.parametrize(
    "params",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": "all"},
        {"offset": -1},
        {"order": "up"},
        {"cursor": "x"},
        {"cursor": "\x00"},
        {"since": "noon"},
        {"until": "\ud7ff"},
        {"site": "a\x00b"},
        {"colour": "red"},
        {"limit": [1, 2]},
    ],
)
def test_wrong_parameters_are_named(
    api: SessionsApi, session: str, path: str, params: dict[str, Any]
) -> None:
    error = api.refused("GET", f"/api/sessions/{session}/{path}", 400, params=params)
    assert error["error"] == "Invalid parameter"
    assert error["details"].startswith(next(iter(params)))


def test_a_cursor_belongs_to_its_list(api: SessionsApi, full: str) -> None:
    cursor = api.get(f"/api/sessions/{full}/events", limit=1)["next_cursor"]
    params = {"cursor": cursor, "order": "desc"}
    error = api.refused("GET", f"/api/sessions/{full}/events", 400, params=params)
    assert "is not a cursor of this list and order: send the one" in error["details"]
    api.refused("GET", "/api/data/sessions", 400, params={"cursor": cursor})
    api.refused("GET", "/v1/rejected", 400, params={"cursor": cursor})


def test_a_site_without_the_session(api: SessionsApi, session: str) -> None:
    assert api.get(f"/api/sessions/{session}", site="local")["id"] == session
    error = api.refused("GET", f"/api/sessions/{session}", 404, params={"site": "elsewhere"})
    assert error["details"] == f"No session with ID {session}"
