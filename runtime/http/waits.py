"""Headers for reading what one wrote: positions, and how long a request waits for one."""

import re
from collections.abc import Mapping
from typing import Final

from runtime.http.errors import HttpProblem
from runtime.settings import Settings
from schemas.errors import ErrorCode

POSITION: Final = "Foldline-Position"
MIN_POSITION: Final = "Foldline-Min-Position"
PROJECTED: Final = "Foldline-Projected"
WAIT: Final = "Foldline-Wait"

_MILLISECONDS: Final = re.compile(r"[0-9]{1,9}")


def wanted_wait(headers: Mapping[str, str], settings: Settings, *, default: float | None = None) -> float:
    """Return how long to wait for a position, seconds, from `Foldline-Wait` or else `default`.

    Without either it is the setting `default_wait_ms`. Raises HttpProblem (400).
    """
    text = headers.get(WAIT)
    if text is None and default is not None:
        return default
    if text is None:
        return min(settings.default_wait_ms, settings.max_wait_ms) / 1000
    if not _MILLISECONDS.fullmatch(text) or int(text) > settings.max_wait_ms:
        raise bad_header(WAIT, f"{text[:20]!r} is not a number of milliseconds up to {settings.max_wait_ms}")
    return int(text) / 1000


def bad_header(name: str, why: str) -> HttpProblem:
    """Return a 400 that names the header; `why` goes on with the value and what is right."""
    return HttpProblem(ErrorCode.INVALID_HEADER, f"{name}: {why}")
