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

_BATCH_S: Final = 4e-3
_SINGLE_S: Final = 125e-6
_NEWEST: Final = 0.1  # what the last measurement counts
_TRY: Final = 6  # groups that go the other way to learn what it takes
_FIRST_LOOK: Final = 16
_LOOK_AGAIN: Final = 2048  # groups, times what it costs, until that is done again


class _Cost:
    """A mean that forgets: of seconds for some number of things. Before anything is measured, a guess."""

    def __init__(self, guess: float) -> None:
        self._measured = 0
        self._seconds = guess
        self._things = 1.0

    @property
    def each(self) -> float:
        return self._seconds / self._things

    def add(self, seconds: float, things: int) -> None:
        self._measured += 1
        weight = max(_NEWEST, 1 / self._measured)
        self._seconds += weight * (seconds - self._seconds)
        self._things += weight * (things - self._things)


class Choice:
    """Of one stream."""

    def __init__(self) -> None:
        self._batch = _Cost(_BATCH_S)
        self._single = _Cost(_SINGLE_S)
        self._asked = 0  # since some went the other way
        self._patience = _FIRST_LOOK
        self._trying = 0  # so many more go the other way
        self._answered: bool | None = None  # how the group before went

    def batch(self, facts: int) -> bool:
        """Whether so many facts go as a batch."""
        if not FEW <= facts <= MANY:
            return facts > MANY
        ratio = facts * self._single.each / self._batch.each
        if self._trying:
            self._trying -= 1
            return ratio <= 1
        self._asked += 1
        # The dearer the other way, the more rarely: what it costs stays the same small part of everything.
        if self._asked > self._patience * max(ratio, 1 / ratio):
            self._asked = 0
            self._patience = min(4 * self._patience, _LOOK_AGAIN)
            self._trying = _TRY
        return ratio > 1

    def took(self, facts: int, seconds: float, *, batch: bool) -> None:
        """What the server took for a group: the time it was busy with those before does not count.

        Single figures say little. A busy process hears of several groups at once, so that the first seems to
        have taken long and the next no time; and one after a group of the other kind has a part of its time.
        """
        alike, self._answered = self._answered is batch, batch
        if not alike or not FEW <= facts <= MANY:
            return
        if batch:
            self._batch.add(seconds, 1)
        else:
            self._single.add(seconds, facts)
