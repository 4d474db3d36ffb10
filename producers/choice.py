"""Whether facts that wait go as one atomic batch or as single requests: whichever took less time lately.

The server stages each atomic batch in files of its own and removes them afterwards. That takes a millisecond
on one file system and eight on another (ext4 that discards what it frees), however few facts there are; a
single request costs a sync of the disk, which takes a tenth of a millisecond here and ten there.
"""

from typing import Final

FEW: Final = 8
"""Fewer go as single requests anywhere."""

MANY: Final = 128
"""More go as one batch anywhere, and no more single requests are made side by side."""

_RISE: Final = 0.03  # what a longer measurement counts
_FIRST_LOOK: Final = 16
_LOOK_AGAIN: Final = 512  # groups, times what it costs, until one goes the other way to learn that


class Choice:
    """Of one stream."""

    def __init__(self) -> None:
        self._batch_s: float | None = None  # one batch
        self._single_s: float | None = None  # one fact
        self._asked = 0  # since one went the other way
        self._patience = _FIRST_LOOK

    def batch(self, facts: int) -> bool:
        """Whether so many facts go as a batch."""
        if not FEW <= facts <= MANY:
            return facts > MANY
        if self._batch_s is None or self._single_s is None:
            return self._batch_s is None
        ratio = facts * self._single_s / self._batch_s
        self._asked += 1
        # The dearer the other way, the more rarely: what it costs stays the same small part of everything.
        if self._asked > self._patience * max(ratio, 1 / ratio):
            self._asked = 0
            self._patience = min(2 * self._patience, _LOOK_AGAIN)
            return ratio <= 1
        return ratio > 1

    def took(self, facts: int, seconds: float, *, batch: bool) -> None:
        """What the server took for a group: the time it was busy with those before does not count.

        The shortest counts: a busy process hears of answers late, which says nothing of the server.
        """
        if not FEW <= facts <= MANY:
            return
        if batch:
            self._batch_s = _towards(self._batch_s, seconds)
        else:
            self._single_s = _towards(self._single_s, seconds / facts)


def _towards(known: float | None, seconds: float) -> float:
    return seconds if known is None else min(seconds, known + _RISE * (seconds - known))
