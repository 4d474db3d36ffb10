"""Headers for reading what one wrote: positions, and how long a request waits for one."""

import re
from collections.abc import Mapping
from typing import Final

from runtime.http.errors import HttpProblem
from runtime.http.openapi import Header
from runtime.settings.http import WaitSettings
from schemas.errors import ErrorCode

POSITION: Final = "Foldline-Position"
MIN_POSITION: Final = "Foldline-Min-Position"
PROJECTED: Final = "Foldline-Projected"
WAIT: Final = "Foldline-Wait"

_POSITION: Final = "[A-Z][A-Za-z0-9_-]*/[0-9]+:[0-9]+"
_POSITIONS: Final = {"type": "string", "pattern": f"^{_POSITION}(,{_POSITION})*$"}

WAIT_HEADER: Final = Header(
    WAIT, "How long to wait for a position, ms; 0 does not wait.", {"type": "integer", "minimum": 0}
)
READ_HEADERS: Final = (
    Header(MIN_POSITION, "Answer only when the read model has passed these positions.", _POSITIONS),
    WAIT_HEADER,
)
POSITION_HEADER: Final = Header(
    POSITION, "Where the write stands, or how far the answer reflects the event stream.", _POSITIONS
)
PROJECTED_HEADER: Final = Header(
    PROJECTED,
    "`false`: the fact is stored, and could not be read before the wait ended.",
    {"type": "string", "enum": ["false"]},
)

_MILLISECONDS: Final = re.compile(r"[0-9]{1,9}")


def wanted_wait(headers: Mapping[str, str], settings: WaitSettings, *, default: float | None = None) -> float:
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
