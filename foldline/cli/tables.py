"""Tables that fit the terminal: what is too wide loses columns, never the middle of a word."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

_BORDERS: Final = 3  # characters a column takes beside its content, and one more at the end


class Column(NamedTuple):
    """A column of a table. `right`: numbers; `wraps`: lines may break between words."""

    header: str
    right: bool = False
    wraps: bool = False

    def width(self, cells: Sequence[str]) -> int:
        """The least number of characters that header and cells need."""
        lines = [self.header, *(line for cell in cells for line in cell.split("\n"))]
        return max(cell_len(part) for line in lines for part in (line.split() if self.wraps else [line]))


def print_table(
    console: Console,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    *,
    optional: Collection[str] = (),
    title: str | None = None,
) -> None:
    """Print rows; the columns named in `optional` are left out, in this order, until the others fit."""
    shown = [(column, [row[index] for row in rows]) for index, column in enumerate(columns)]
    for header in optional:
        if sum(column.width(cells) + _BORDERS for column, cells in shown) < console.width:
            break
        shown = [(column, cells) for column, cells in shown if column.header != header]
    table = Table(title=title)
    for column, _ in shown:
        table.add_column(column.header, justify="right" if column.right else "left", no_wrap=not column.wraps)
    for row in zip(*(cells for _, cells in shown), strict=True):
        table.add_row(*map(Text, row))  # text, not markup: some of it came from outside
    console.print(table)
