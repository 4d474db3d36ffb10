"""Tables fit the terminal they are printed on."""

import io

import pytest
from rich.console import Console

from foldline.cli.connections import ranges
from foldline.cli.tables import print_table

HEADERS = ("name", "since", "lag", "held by")
ROW = ("sessions", "2026-01-31T12:00:00.000000Z", "1,234,567", "host-1-consumer: 0-7\nhost-2-consumer: 8-15")


def printed(width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO())
    print_table(console, HEADERS, [ROW], numbers=("lag",), wraps=("held by",), optional=("since", "held by"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (100, {"name", "since", "lag", "held by"}),
        (80, {"name", "since", "lag", "held by"}),
        (60, {"name", "lag", "held by"}),
        (35, {"name", "lag"}),
    ],
)
def test_a_narrow_terminal_loses_columns_and_cuts_no_word(width: int, shown: set[str]) -> None:
    lines = printed(width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert {header for header in HEADERS if header in text} == shown
    for header, cell in zip(HEADERS, ROW, strict=True):
        assert header not in shown or all(word in text for word in cell.split())


def test_markup_of_others_is_text() -> None:
    console = Console(width=80, file=io.StringIO())
    print_table(console, ["id"], [("[red]S1[/red]",)])
    assert isinstance(console.file, io.StringIO)
    assert "[red]S1[/red]" in console.file.getvalue()


@pytest.mark.parametrize(
    ("numbers", "text"), [([], ""), ([3], "3"), ([0, 1, 2, 3], "0-3"), ([9, 0, 1, 5, 4], "0-1 4-5 9")]
)
def test_numbers_in_a_row_are_ranges(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text
