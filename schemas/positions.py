"""Positions on the line: `<stream>/<partition>:<sequence>`, several comma-separated (`Foldline-Position`)."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple, Self

from schemas.validation import InvalidFact

_FORM: Final = re.compile(r"([A-Z][A-Za-z0-9_-]{0,79})/([0-9]{1,4}):([0-9]{1,18})")


class Position(NamedTuple):
    """A position in one partition of a stream: everything up to and including `sequence`."""

    stream: str
    partition: int
    sequence: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one position. Raises InvalidFact, which shows the right form."""
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise InvalidFact(
                "invalid_position",
                f"{text[:100]!r} is not a position like SESSIONS/7:1234",
            )
        return cls(match[1], int(match[2]), int(match[3]))

    def __str__(self) -> str:
        return f"{self.stream}/{self.partition}:{self.sequence}"


class Beginning(NamedTuple):
    """The first event of an entity: its place in the stream that holds the entity's events."""

    site: str
    id: str
    partition: int
    sequence: int


def parse_positions(text: str) -> list[Position]:
    """Read the value of `Foldline-Position` or `Foldline-Min-Position`. Raises InvalidFact."""
    return [Position.parse(part) for part in text.split(",") if part.strip()]


def format_positions(positions: Iterable[Position]) -> str:
    """Return the value of a header, with only the highest position of each partition of a stream."""
    newest: dict[tuple[str, int], Position] = {}
    for position in positions:
        key = (position.stream, position.partition)
        if key not in newest or newest[key].sequence < position.sequence:
            newest[key] = position
    return ",".join(str(position) for position in sorted(newest.values()))
