"""The figures of a run: collected as they are measured, shown to people and written for machines."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from rich.table import Table

from benchmarks.figure import Figure
from benchmarks.pace import pace as pace_now
from benchmarks.turn import Turn

_COLUMNS: Final = ("figure", "value", "share", "has to be", "reached", "CPU s", "cost", "processor", "note")
_NUMBERS: Final = ("value", "CPU s", "cost", "processor")


class Figures:
    """All figures of a run, in the order in which they were measured."""

    def __init__(self, pace: Callable[[], float] = pace_now) -> None:
        self.all: list[Figure] = []
        self._pace = pace

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
        """Note one by its turns, each of which did so much `work`.

        `of` names the figure it is a share of, measured earlier in the same run.
        """
        told = f"turns: {', '.join(_number(turn.value) for turn in turns)}" if len(turns) > 1 else ""
        figure = Figure(
            name,
            unit,
            tuple(turns),
            work=work,
            of=of,
            limit=self.value(of) if of else None,
            least=least,
            most=most,
            note="; ".join(part for part in (note, told) if part),
            pace=self._pace(),
        )
        self.all.append(figure)
        return figure

    def value(self, name: str) -> float | None:
        """A value by its name; None when it was not measured."""
        return next((figure.value for figure in self.all if figure.name == name), None)

    def table(self) -> Table:
        """For people."""
        table = Table(title="Foldline, measured", title_justify="left")
        for column in _COLUMNS:
            table.add_column(column, justify="right" if column in _NUMBERS else "left")
        for figure in self.all:
            table.add_row(*self._cells(figure, missed="no"))
        return table

    def markdown(self) -> str:
        """For docs/performance.md."""
        rows = [_COLUMNS, ["---:" if column in _NUMBERS else "---" for column in _COLUMNS]]
        rows += [self._cells(figure, missed="**no**") for figure in self.all]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def document(self) -> list[dict[str, Any]]:
        """For machines."""
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
            # How fast the processor was then, of the fastest it was in this run: others may share it.
            f"{figure.pace / max(one.pace for one in self.all):.0%}",
            figure.note,
        )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _bounds(figure: Figure) -> str:
    if figure.least is not None:
        return f"≥ {figure.least:g}"
    return f"≤ {figure.most:g}" if figure.most is not None else ""
