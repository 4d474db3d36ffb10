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

_BATCH_S: Final = 8e-3  # one batch, before anything was measured
_SINGLE_S: Final = 125e-6  # one fact
_NEWEST: Final = 0.5  # what the last measurement counts
_LOOK_AGAIN: Final = 500  # groups, times what it costs, until one goes the other way to learn that


class Choice:
    """Of one stream."""

    def __init__(self) -> None:
        self._batch_s = _BATCH_S
        self._single_s = _SINGLE_S
        self._asked = 0  # since one went the other way

    def batch(self, facts: int) -> bool:
        """Whether so many facts go as a batch."""
        if not FEW <= facts <= MANY:
            return facts > MANY
        ratio = facts * self._single_s / self._batch_s
        self._asked += 1
        # The dearer the other way, the more rarely: what it costs stays the same small part of everything.
        if self._asked > _LOOK_AGAIN * max(ratio, 1 / ratio):
            self._asked = 0
            return ratio <= 1
        return ratio > 1

    def took(self, facts: int, seconds: float, *, batch: bool) -> None:
        """What the server took for a group: the time it was busy with those before does not count."""
        if not FEW <= facts <= MANY:
            return
        if batch:
            self._batch_s += _NEWEST * (seconds - self._batch_s)
        else:
            self._single_s += _NEWEST * (seconds / facts - self._single_s)
