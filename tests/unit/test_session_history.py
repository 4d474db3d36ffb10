"""Snapshots from patches, and pages of them."""

import json
from typing import Any

import pytest

from projections.sessions.history import HistoryPage, Patch, Snapshot, read_patches, snapshots
from projections.sessions.window import Order, Window


def stamp(second: int) -> str:
    return f"2026-01-31T12:00:{second:02}.000000Z"


def states(patches: list[Patch]) -> list[dict[str, Any]]:
    return [json.loads(json.dumps(one.state)) for one in snapshots(patches)]


HISTORY = [Snapshot(seq, stamp(seq), {"n": seq}) for seq in (2, 3, 5, 8)]


def test_patches_build_on_one_another() -> None:
    patches = [
        Patch(1, stamp(1), False, {"a": {"b": 1, "c": 2}}),
        Patch(2, stamp(2), False, {"a": {"b": None}, "d": [1]}),
        Patch(3, stamp(3), False, {"a": 5}),
    ]
    assert states(patches) == [
        {"a": {"b": 1, "c": 2}},
        {"a": {"c": 2}, "d": [1]},
        {"a": 5, "d": [1]},
    ]


def test_an_unchanged_state_is_a_snapshot_too() -> None:
    patches = [Patch(seq, stamp(seq), False, {"a": 1}) for seq in (1, 2)]
    assert states(patches) == [{"a": 1}, {"a": 1}]


def test_late_created_fills_in_beneath() -> None:
    patches = [
        Patch(1, stamp(1), False, {"product": "Early"}),
        Patch(2, stamp(2), True, {"product": "Late", "version": "1"}),
    ]
    assert states(patches) == [
        {"product": "Early"},
        {"product": "Early", "version": "1"},
    ]


def test_a_snapshot_is_served_before_the_next_one_is_made() -> None:
    patches = (Patch(n, stamp(n), False, {"a": {"n": n}}) for n in (1, 2))
    assert [json.loads(one.as_json()) for one in snapshots(patches)] == [
        {"timestamp": stamp(1), "state": {"a": {"n": 1}}},
        {"timestamp": stamp(2), "state": {"a": {"n": 2}}},
    ]


def test_reads_what_the_statement_returns() -> None:
    assert read_patches(None) == []
    assert read_patches('[[7, "t", true, {"big": 123456789012345678901234567890}]]') == [
        Patch(7, "t", True, {"big": 123456789012345678901234567890})
    ]


def page(window: Window, history: list[Snapshot] = HISTORY, *, most_bytes: int = 1 << 20) -> HistoryPage:
    """Fill a page as the views do: the cursor's place is left, and what is full takes nothing more."""
    after = window.after
    listed = [
        one
        for one in history
        if after is None or (one.seq > after if window.order == "asc" else one.seq < after)
    ]
    filled = HistoryPage(window, len(listed), most_bytes=most_bytes)
    for one in listed:
        if filled.is_full:
            break
        filled.add(one)
    return filled


def numbers(filled: HistoryPage) -> list[int]:
    return [json.loads(item)["state"]["n"] for item in filled.items()]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("most_bytes", [1, 70, 140, 1000])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_pages_cover_everything_once(order: Order, limit: int, most_bytes: int) -> None:
    found: list[int] = []
    window = Window(limit=limit, order=order)
    while True:
        filled = page(window, most_bytes=most_bytes)
        sizes = [len(item) for item in filled.items()]
        assert 0 < len(sizes) <= limit
        assert sum(sizes[:-1]) < most_bytes
        assert len(sizes) == limit or sum(sizes) >= most_bytes or filled.after is None
        found += numbers(filled)
        if filled.after is None:
            break
        window = Window(limit=limit, order=order, after=filled.after)
    assert found == ([2, 3, 5, 8] if order == "asc" else [8, 5, 3, 2])


@pytest.mark.parametrize(
    ("window", "found", "after"),
    [
        (Window(offset=3), [8], None),
        (Window(offset=9), [], None),
        (Window(offset=1, limit=2), [3, 5], 5),
        (Window(offset=1, limit=2, order="desc"), [5, 3], 3),
        (Window(offset=3, limit=2, order="desc"), [2], None),
        (Window(offset=9, order="desc"), [], None),
    ],
)
def test_offset(window: Window, found: list[int], after: int | None) -> None:
    filled = page(window)
    assert (numbers(filled), filled.after) == (found, after)


def test_nothing() -> None:
    filled = page(Window(), [])
    assert (filled.items(), filled.after) == ([], None)
