"""The figures of a run: collected as they are measured, shown to people and written for machines."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from rich.table import Table

from benchmarks.figure import Figure
from benchmarks.processor_speed import processor_speed
from benchmarks.turn import Turn

_COLUMNS: Final = ("figure", "value", "share", "has to be", "reached", "CPU s", "cost", "processor", "note")
_NUMBERS: Final = ("value", "CPU s", "cost", "processor")


class Figures:
    """All figures of a run, in the order in which they were measured."""

    def __init__(self, speed: Callable[[], float] = processor_speed) -> None:
        self.all: list[Figure] = []
        self._speed = speed

    def add(
        self,
        name: str,
        turns: Sequence[Turn],
        unit: str,
        *,
        work: str = "events",
        of: str = "",
        least: float | None = None,
        most: float | None = None,
        note: str = "",
    ) -> Figure:
        """Add a figure by its turns. `work` names the unit of their work.

        `of` names the figure that it is a share of, measured earlier in the same run.
        """
        values = f"turns: {', '.join(_number(turn.value) for turn in turns)}" if len(turns) > 1 else ""
        figure = Figure(
            name,
            unit,
            tuple(turns),
            work=work,
            of=of,
            limit=self.value(of) if of else None,
            least=least,
            most=most,
            note="; ".join(part for part in (note, values) if part),
            speed=self._speed(),
        )
        self.all.append(figure)
        return figure

    def value(self, name: str) -> float | None:
        """The value of a figure by its name; None when it was not measured."""
        return next((figure.value for figure in self.all if figure.name == name), None)

    def table(self) -> Table:
        """Show the figures to people."""
        table = Table(title="Foldline, measured", title_justify="left")
        for column in _COLUMNS:
            table.add_column(column, justify="right" if column in _NUMBERS else "left")
        for figure in self.all:
            table.add_row(*self._cells(figure, missed="no"))
        return table

    def markdown(self) -> str:
        """Show the figures as docs/performance.md has them."""
        rows = [_COLUMNS, ["---:" if column in _NUMBERS else "---" for column in _COLUMNS]]
        rows += [self._cells(figure, missed="**no**") for figure in self.all]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def document(self) -> list[dict[str, Any]]:
        """Describe the figures for machines."""
        return [figure.document() for figure in self.all]

    def _cells(self, figure: Figure, missed: str) -> Sequence[str]:
        return (
            figure.name,
            f"{_number(figure.value)} {figure.unit}",
            "" if figure.share is None else f"{figure.share:.2f} of {figure.of}",
            _bounds(figure),
            {None: "", True: "yes", False: missed}[figure.good],
            "" if figure.cpu_seconds is None else f"{figure.cpu_seconds:.2f}",
            "" if figure.cost is None else f"{figure.cost:.3g} {figure.cost_unit}",
            # The processor's speed then, as a part of its highest one in this run: others may share it.
            f"{figure.speed / max(one.speed for one in self.all):.0%}",
            figure.note,
        )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _bounds(figure: Figure) -> str:
    if figure.least is not None:
        return f"≥ {figure.least:g}"
    return f"≤ {figure.most:g}" if figure.most is not None else ""
