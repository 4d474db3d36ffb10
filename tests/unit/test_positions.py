"""Positions in headers."""

import pytest

from schemas.positions import Position, format_positions, parse_positions
from schemas.validation import InvalidFact


def test_a_header_is_read_and_written() -> None:
    text = "HEARTBEATS/3:7,SESSIONS/15:1234567890"
    assert format_positions(parse_positions(text)) == text


def test_spaces_and_empty_parts_are_forgiven() -> None:
    assert parse_positions(" SESSIONS/1:2 ,, HEARTBEATS/0:0 ") == [
        Position("SESSIONS", 1, 2),
        Position("HEARTBEATS", 0, 0),
    ]
    assert parse_positions("") == []


def test_only_the_highest_of_a_partition_is_written() -> None:
    positions = [Position("SESSIONS", 1, 9), Position("SESSIONS", 1, 12), Position("SESSIONS", 0, 1)]
    assert format_positions(positions) == "SESSIONS/0:1,SESSIONS/1:12"


@pytest.mark.parametrize(
    "text", ["SESSIONS", "SESSIONS/1", "sessions/1:2", "SESSIONS/1:-2", "S/1:" + "9" * 19]
)
def test_others_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidFact, match="SESSIONS/7:1234"):
        parse_positions(text)
