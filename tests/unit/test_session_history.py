"""Snapshots from patches, and pages of them."""

import itertools
import json

import pytest

from projections.sessions.history import Patch, Snapshot, paged, read_patches, snapshots
from projections.sessions.render import served_history
from projections.sessions.window import Window
from schemas.times import parse_time


def stamp(second: int) -> str:
    return f"2026-01-31T12:00:{second:02}.000000Z"


HISTORY = [Snapshot(seq, stamp(seq), {"n": seq}) for seq in (2, 3, 5, 8)]


def test_patches_build_on_one_another() -> None:
    patches = [
        Patch(1, stamp(1), False, {"a": {"b": 1, "c": 2}}),
        Patch(2, stamp(2), False, {"a": {"b": None}, "d": [1]}),
        Patch(3, stamp(3), False, {"a": 5}),
    ]
    assert [one.state for one in snapshots(patches)] == [
        {"a": {"b": 1, "c": 2}},
        {"a": {"c": 2}, "d": [1]},
        {"a": 5, "d": [1]},
    ]


def test_an_unchanged_state_is_a_snapshot_too() -> None:
    patches = [Patch(seq, stamp(seq), False, {"a": 1}) for seq in (1, 2)]
    assert [one.state for one in snapshots(patches)] == [{"a": 1}, {"a": 1}]


def test_late_created_fills_in_beneath() -> None:
    patches = [
        Patch(1, stamp(1), False, {"product": "Early"}),
        Patch(2, stamp(2), True, {"product": "Late", "version": "1"}),
    ]
    assert [one.state for one in snapshots(patches)] == [
        {"product": "Early"},
        {"product": "Early", "version": "1"},
    ]


def test_snapshots_do_not_share_what_changes() -> None:
    kept = [*snapshots(Patch(n, stamp(n), False, {"a": {"n": n}}) for n in (1, 2))]
    assert json.loads(served_history(kept)) == [
        {"timestamp": stamp(1), "state": {"a": {"n": 1}}},
        {"timestamp": stamp(2), "state": {"a": {"n": 2}}},
    ]


def test_reads_what_the_statement_returns() -> None:
    assert read_patches(None) == []
    assert read_patches('[[7, "t", true, {"big": 123456789012345678901234567890}]]') == [
        Patch(7, "t", True, {"big": 123456789012345678901234567890})
    ]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_pages_cover_everything_once(order: str, limit: int) -> None:
    found: list[Snapshot] = []
    after = None
    for _ in itertools.count():
        page, total, after = paged(HISTORY, Window(after=after, limit=limit, order=order))  # type: ignore[arg-type]
        assert total == 4
        found += page
        if after is None:
            break
    assert found == (HISTORY if order == "asc" else HISTORY[::-1])


def test_span_and_offset() -> None:
    window = Window(since=parse_time(stamp(3)), until=parse_time(stamp(8)), limit=1)
    assert paged(HISTORY, window) == (HISTORY[1:2], 2, 3)
    assert paged(HISTORY, Window(offset=3)) == (HISTORY[3:], 4, None)
    assert paged(HISTORY, Window(offset=9)) == ([], 4, None)
    assert paged([], Window()) == ([], 0, None)
