"""How long a batch waits for company: only while enough of it comes by."""

from typing import Final

_WORTH: Final = 8  # events that have to be expected meanwhile
_NEWEST: Final = 0.5  # what the last batch counts in the rate


class Pace:
    """Of one follower. A transaction costs milliseconds however small it is: a few hundred events a second,
    each in one of its own, would take a whole processor, and on a quiet line nothing is worth waiting for.
    """

    def __init__(self, linger: float) -> None:
        self._linger = linger
        self._rate = 0.0
        self._took_at = 0.0

    @property
    def linger(self) -> float:
        """How long the next batch may wait, seconds."""
        return self._linger if self._rate * self._linger >= _WORTH else 0.0

    def took(self, events: int, now: float) -> None:
        """A batch of that many events begins."""
        seconds = max(now - self._took_at, 1e-3)
        self._rate += _NEWEST * (events / seconds - self._rate)
        self._took_at = now
