"""Chooses between an atomic batch and single publishes for one stream, by measured cost.

The server stages each atomic batch in files of its own and removes them afterwards. That takes a millisecond
on one file system and eight on another (ext4 that discards what it frees), however few facts there are; a
single publish costs a sync of the disk, which takes a tenth of a millisecond here and ten there.
"""

from typing import Final

FEW: Final = 8
"""Fewer facts than this go as single publishes anywhere."""

MANY: Final = 128
"""More facts than this go as one batch anywhere, and no more single publishes are made side by side."""

_BATCH_S: Final = 4e-3
_SINGLE_S: Final = 125e-6
_NEWEST_WEIGHT: Final = 0.1  # of the last measurement
_TRIAL_GROUPS: Final = 6  # groups that go the other way to learn what it costs
_FIRST_PATIENCE: Final = 16
_LONGEST_PATIENCE: Final = 2048  # groups, times the ratio of the costs, until the next trial


class _Cost:
    """A mean of seconds for each thing that forgets old measurements. It starts as a guess."""

    def __init__(self, guess: float) -> None:
        self._measured = 0
        self._seconds = guess
        self._things = 1.0

    @property
    def each(self) -> float:
        return self._seconds / self._things

    def add(self, seconds: float, things: int) -> None:
        self._measured += 1
        weight = max(_NEWEST_WEIGHT, 1 / self._measured)
        self._seconds += weight * (seconds - self._seconds)
        self._things += weight * (things - self._things)


class BatchingPolicy:
    """Learns what a batch and a single publish cost on one stream, and answers which is cheaper."""

    def __init__(self) -> None:
        self._batch = _Cost(_BATCH_S)
        self._single = _Cost(_SINGLE_S)
        self._asked = 0  # since the last trial
        self._patience = _FIRST_PATIENCE
        self._trial_left = 0  # groups of the trial that are still to go the other way
        self._last_as_batch: bool | None = None

    def as_batch(self, facts: int) -> bool:
        """Whether a group of this many facts goes as a batch."""
        if not FEW <= facts <= MANY:
            return facts > MANY
        ratio = facts * self._single.each / self._batch.each
        if self._trial_left:
            self._trial_left -= 1
            return ratio <= 1
        self._asked += 1
        # The dearer the other way, the more rarely: what it costs stays the same small part of everything.
        if self._asked > self._patience * max(ratio, 1 / ratio):
            self._asked = 0
            self._patience = min(4 * self._patience, _LONGEST_PATIENCE)
            self._trial_left = _TRIAL_GROUPS
        return ratio > 1

    def measured(self, facts: int, seconds: float, *, batch: bool) -> None:
        """Learn what the server took for a group; the time it was busy with earlier groups does not count.

        Single figures say little. A busy process hears of several groups at once, so that the first seems to
        have taken long and the next no time; and one after a group of the other kind has a part of its time.
        """
        alike, self._last_as_batch = self._last_as_batch is batch, batch
        if not alike or not FEW <= facts <= MANY:
            return
        if batch:
            self._batch.add(seconds, 1)
        else:
            self._single.add(seconds, facts)
