"""Tables that fit the terminal: what is too wide loses columns, never the middle of a word."""

from collections.abc import Collection, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

_BORDERS: Final = 3  # characters a column takes beside its content, and one more at the end


def print_table(
    console: Console,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: Collection[str] = (),
    wraps: Collection[str] = (),
    optional: Sequence[str] = (),
    title: str | None = None,
) -> None:
    """Print rows under headers.

    The columns in `numbers` are set to the right, those in `wraps` may break lines between words, and those
    in `optional` are left out, in this order, until the others fit.
    """
    shown = {header: [row[index] for row in rows] for index, header in enumerate(headers)}
    for header in optional:
        if (
            sum(_width([name, *cells], name in wraps) + _BORDERS for name, cells in shown.items())
            < console.width
        ):
            break
        del shown[header]
    table = Table(title=title)
    for header in shown:
        table.add_column(
            header, justify="right" if header in numbers else "left", no_wrap=header not in wraps
        )
    for row in zip(*shown.values(), strict=True):
        table.add_row(*map(Text, row))  # text, not markup: some of it came from outside
    console.print(table)


def _width(cells: Sequence[str], wraps: bool) -> int:
    lines = (line for cell in cells for line in cell.split("\n"))
    parts = (part for line in lines for part in (line.split() if wraps else [line]))
    return max(map(cell_len, parts), default=0)
