"""The exceptions of the client, and its logger."""

import logging
import time
from typing import Final

logger: Final = logging.getLogger("foldline_client")


class FoldlineError(Exception):
    """A call that had to have an answer from the server did not get it. Recording never raises this."""


class DetailsUnavailable(FoldlineError):
    """`get_details()` has no API to ask, or the API did not give the session."""


class ThrottledWarning:
    """Logs one warning for a burst: the first at once; the others are counted in the next one.

    `quiet` is how many seconds one warning speaks for.
    """

    def __init__(self, quiet: float = 30.0) -> None:
        self._quiet = quiet
        self._logged_at = float("-inf")
        self._unlogged = 0

    def warn(self, message: str, *args: object) -> None:
        """Log `message` as a warning, unless one was logged within the last `quiet` seconds."""
        now = time.monotonic()
        if now - self._logged_at < self._quiet:
            self._unlogged += 1
            return
        more, self._unlogged, self._logged_at = self._unlogged, 0, now
        if more:
            message, args = message + " (and %d more like it before)", (*args, more)
        logger.warning(message, *args)
