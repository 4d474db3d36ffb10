"""The positions a read must not be older than, as `Foldline-Min-Position` names them."""

from collections.abc import Mapping

from runtime.http.waits import MIN_POSITION, bad_header
from runtime.settings.line import LineSettings
from schemas.positions import Position, parse_positions
from schemas.validation import InvalidFact


def requested_positions(headers: Mapping[str, str], settings: LineSettings) -> list[Position]:
    """The positions a request names. Raises HttpProblem (400) for text that no write answered with."""
    text = headers.get(MIN_POSITION)
    if text is None:
        return []
    try:
        positions = parse_positions(text)
    except InvalidFact as exc:
        raise bad_header(MIN_POSITION, exc.details) from None
    known = {stream.name for stream in settings.streams}
    for position in positions:
        if position.stream not in known:
            raise bad_header(MIN_POSITION, f"{position}: streams are {', '.join(sorted(known))}")
        if position.partition >= settings.partitions:
            raise bad_header(MIN_POSITION, f"{position}: partitions are 0 to {settings.partitions - 1}")
    return positions
