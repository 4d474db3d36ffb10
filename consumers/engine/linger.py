"""Linger policy: a batch waits for more events only while the recent rate makes it worthwhile."""

from typing import Final

_WORTH: Final = 8  # events that have to be expected meanwhile
_NEWEST: Final = 0.5  # weight of the last batch in the rate


class Linger:
    """Measures the rate of one follower's events.

    A transaction costs milliseconds however small it is: a few hundred events a second, each in one of its
    own, would take a whole processor, and on a quiet line nothing is worth waiting for.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._rate = 0.0
        self._noted_at = 0.0

    @property
    def seconds(self) -> float:
        """The time the next batch may wait."""
        return self._longest if self._rate * self._longest >= _WORTH else 0.0

    def note_batch(self, events: int, now: float) -> None:
        """Note that a batch of that many events begins; `now` in seconds of any steady clock."""
        seconds = max(now - self._noted_at, 1e-3)
        self._rate += _NEWEST * (events / seconds - self._rate)
        self._noted_at = now
