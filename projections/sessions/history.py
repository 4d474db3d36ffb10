"""State history: stored as the patches that were published, served as the snapshots they led to."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from projections.sessions.merge_patch import Merging, merge_patch
from projections.sessions.window import Window
from schemas.sessions.document import snapshot


class Patch(NamedTuple):
    """One accepted change. If it is `under` (a late `created`), it fills in beneath what is already there."""

    seq: int
    at: str  # event time as served
    under: bool
    body: dict[str, Any]


class Snapshot(NamedTuple):
    """The whole state right after one patch, until the next one is merged into it."""

    seq: int
    at: str
    state: dict[str, Any]

    def as_json(self) -> bytes:
        """Return it as it is served."""
        return to_json(snapshot(self.at, self.state))


class History:
    """Merges the patches of one session, which must come in the order of the line."""

    def __init__(self) -> None:
        self._state: dict[str, Any] = {}
        self._merging = Merging()

    def then(self, patch: Patch) -> Snapshot:
        """Return the snapshot after the next patch."""
        if patch.under:
            self._state = merge_patch(patch.body, self._state)
        else:
            self._state = self._merging.merge(self._state, patch.body)
        return Snapshot(patch.seq, patch.at, self._state)


def read_patches(text: str | None) -> list[Patch]:
    """Return the patches of a session from the text that the statement `patches` returns; none for null."""
    return [Patch(*row) for row in from_json(text)] if text else []


def snapshots(patches: Iterable[Patch]) -> Iterator[Snapshot]:
    """Yield one snapshot a patch, each of which holds until the next one is asked for."""
    history = History()
    for patch in patches:
        yield history.then(patch)


class HistoryPage:
    """A page of a session's history, filled snapshot by snapshot from the oldest one on.

    `listed` is the number of snapshots of the window's time span that its cursor leaves. The page ends early
    with the snapshot that brings its `size` to `most_bytes`.
    """

    def __init__(self, window: Window, listed: int, *, most_bytes: int) -> None:
        self._newest_first = window.order == "desc"
        self._most_bytes = most_bytes
        self._listed = listed
        self._offset = window.offset
        # Places among the listed, of which the newest is the first one of a page against the line.
        self._end = (
            listed - window.offset if self._newest_first else min(listed, window.offset + window.limit)
        )
        self._begin = max(0, self._end - window.limit) if self._newest_first else window.offset
        self._place = 0
        self._kept: deque[tuple[int, bytes]] = deque()
        self.size = 0

    @property
    def is_full(self) -> bool:
        """Whether no later snapshot belongs to the page."""
        return self._place >= self._end or (not self._newest_first and self.size >= self._most_bytes)

    def add(self, one: Snapshot) -> None:
        """Take up the next snapshot that is listed."""
        self._place += 1
        if not self._begin < self._place <= self._end:
            return
        self._kept.append((one.seq, one.as_json()))
        self.size += len(self._kept[-1][1])
        while self._newest_first and self.size - len(self._kept[0][1]) >= self._most_bytes:
            self.size -= len(self._kept.popleft()[1])

    def items(self) -> list[bytes]:
        """Return the snapshots as served, in the order of the page."""
        kept = [body for _, body in self._kept]
        return kept[::-1] if self._newest_first else kept

    @property
    def after(self) -> int | None:
        """The sequence that the next page comes after, None on the last page."""
        if not self._kept or self._offset + len(self._kept) >= self._listed:
            return None
        return self._kept[0 if self._newest_first else -1][0]
