"""The position a read must not be older than."""

from collections.abc import Mapping
from typing import Final

from runtime.waits import MIN_POSITION, bad_header
from schemas.positions import Position, parse_positions
from schemas.streams import STREAMS
from schemas.validation import InvalidFact

_STREAMS: Final = frozenset(stream.name for stream in STREAMS)


def wanted_positions(headers: Mapping[str, str], partitions: int) -> list[Position]:
    """What a read must not be older than. Raises HttpProblem (400) for what no write answered with."""
    text = headers.get(MIN_POSITION)
    if text is None:
        return []
    try:
        positions = parse_positions(text)
    except InvalidFact as exc:
        raise bad_header(MIN_POSITION, exc.details) from None
    for position in positions:
        if position.stream not in _STREAMS:
            raise bad_header(MIN_POSITION, f"{position}: streams are {', '.join(sorted(_STREAMS))}")
        if position.partition >= partitions:
            raise bad_header(MIN_POSITION, f"{position}: partitions are 0 to {partitions - 1}")
    return positions
