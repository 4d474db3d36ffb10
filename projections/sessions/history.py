"""State history: stored as the patches that were published, served as the snapshots they led to."""

import operator
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pydantic_core import from_json

from projections.sessions.merge_patch import merge_patch
from projections.sessions.window import Window
from schemas.times import format_time


class Patch(NamedTuple):
    """One accepted change. If it is `under` (a late `created`), it fills in beneath what is already there."""

    seq: int
    at: str  # event time as served
    under: bool
    body: dict[str, Any]


class Snapshot(NamedTuple):
    """The whole state right after one patch."""

    seq: int
    at: str
    state: dict[str, Any]


def read_patches(text: str | None) -> list[Patch]:
    """Return the patches of a session from the text that the statement `patches` returns; none for null."""
    return [Patch(*row) for row in from_json(text)] if text else []


def snapshots(patches: Iterable[Patch]) -> Iterator[Snapshot]:
    """Yield one snapshot a patch. Patches must be in the order of the line."""
    state: dict[str, Any] = {}
    for seq, at, under, body in patches:
        state = merge_patch(body, state) if under else merge_patch(state, body)
        yield Snapshot(seq, at, state)


def paged(history: Iterable[Snapshot], window: Window) -> tuple[list[Snapshot], int, int | None]:
    """Return the page of a window, how many snapshots its time span has, and where the next page begins.

    That is the sequence it comes after; None on the last page.
    """
    since = format_time(window.since) if window.since else ""
    until = format_time(window.until) if window.until else "~"  # sorts behind every digit
    matching = [one for one in history if since <= one.at < until]
    ordered = matching if window.order == "asc" else matching[::-1]
    if (after := window.after) is not None:
        beyond = operator.gt if window.order == "asc" else operator.lt
        ordered = [one for one in ordered if beyond(one.seq, after)]
    end = window.offset + window.limit
    page = ordered[window.offset : end]
    return page, len(matching), page[-1].seq if len(ordered) > end else None
