"""What the client raises, and the logger it complains to."""

import logging
import time
from typing import Final

logger: Final = logging.getLogger("foldline_client")


class FoldlineError(Exception):
    """A call that had to have an answer from the server did not get it. Recording never raises this."""


class DetailsUnavailable(FoldlineError):
    """`get_details()` has no API to ask, or the API did not give the session."""


class Complaint:
    """One warning a burst: the first at once, the rest counted and told when it goes on.

    `quiet` is how many seconds one warning speaks for.
    """

    def __init__(self, quiet: float = 30.0) -> None:
        self._quiet = quiet
        self._said = float("-inf")
        self._unsaid = 0

    def say(self, message: str, *args: object) -> None:
        """Log `message` as a warning, unless one like it was logged a moment ago."""
        now = time.monotonic()
        if now - self._said < self._quiet:
            self._unsaid += 1
            return
        more, self._unsaid, self._said = self._unsaid, 0, now
        if more:
            message, args = message + " (and %d more like it before)", (*args, more)
        logger.warning(message, *args)
