"""Reading one's writes: the headers that name a position, and how long to wait for it."""

import re
from collections.abc import Mapping
from typing import Final

from runtime.http import SessionProblem
from runtime.settings import Settings
from schemas.positions import Position, parse_positions
from schemas.streams import STREAMS
from schemas.validation import InvalidFact

POSITION: Final = "Foldline-Position"
MIN_POSITION: Final = "Foldline-Min-Position"
WAIT: Final = "Foldline-Wait"

_MILLISECONDS: Final = re.compile(r"[0-9]{1,9}")
_STREAMS: Final = frozenset(stream.name for stream in STREAMS)


def wanted_positions(headers: Mapping[str, str], partitions: int) -> list[Position]:
    """What a read must not be older than. Raises SessionProblem (400) for what no write answered with."""
    text = headers.get(MIN_POSITION)
    if text is None:
        return []
    try:
        positions = parse_positions(text)
    except InvalidFact as exc:
        raise _bad_header(MIN_POSITION, exc.details) from None
    for position in positions:
        if position.stream not in _STREAMS:
            raise _bad_header(MIN_POSITION, f"{position}: streams are {', '.join(sorted(_STREAMS))}")
        if position.partition >= partitions:
            raise _bad_header(MIN_POSITION, f"{position}: partitions are 0 to {partitions - 1}")
    return positions


def wanted_wait(headers: Mapping[str, str], settings: Settings) -> float:
    """How long to wait for a position, seconds. Raises SessionProblem (400)."""
    text = headers.get(WAIT)
    if text is None:
        return min(settings.default_wait_ms, settings.max_wait_ms) / 1000
    if not _MILLISECONDS.fullmatch(text) or int(text) > settings.max_wait_ms:
        raise _bad_header(WAIT, f"{text[:20]!r} is not a number of milliseconds up to {settings.max_wait_ms}")
    return int(text) / 1000


def _bad_header(name: str, why: str) -> SessionProblem:
    return SessionProblem(400, "Invalid request", f"{name}: {why}")
