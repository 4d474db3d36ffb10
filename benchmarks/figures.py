"""What was measured, beside the raw limit it is a share of and the floor it has to reach."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.table import Table

from benchmarks.pace import pace as pace_now


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `share`: of the raw limit named `of`. `least` and `most`: floors and ceilings.

    They bound the share where there is one, the value otherwise.
    """

    name: str
    value: float
    unit: str
    of: str = ""
    share: float | None = None
    least: float | None = None
    most: float | None = None
    note: str = ""
    pace: float = 1.0  # of the processor, in steps of a fixed piece of work a second, when it was measured

    @property
    def good(self) -> bool | None:
        """Whether it is where it has to be; None when nothing is asked of it."""
        if self.least is None and self.most is None:
            return None
        judged = self.value if self.share is None else self.share
        return (self.least is None or judged >= self.least) and (self.most is None or judged <= self.most)


class Figures:
    """All figures of a run, in the order in which they were measured."""

    def __init__(self, pace: Callable[[], float] = pace_now) -> None:
        self.all: list[Figure] = []
        self._pace = pace

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        of: str = "",
        least: float | None = None,
        most: float | None = None,
        note: str = "",
    ) -> Figure:
        """Note one. `of` names the figure it is a share of, measured earlier in the same run."""
        limit = self.value(of) if of else None
        share = value / limit if limit else None
        figure = Figure(name, value, unit, of, share, least, most, note, self._pace())
        self.all.append(figure)
        return figure

    def add_turns(
        self, name: str, found: Sequence[float], unit: str, *, most: float | None = None, note: str = ""
    ) -> Figure:
        """Note the median of several turns: one in which the machine worked for others decides nothing."""
        turns = f"turns: {', '.join(f'{one:.2f}' for one in found)}" if len(found) > 1 else ""
        return self.add(
            name, median(found), unit, most=most, note="; ".join(part for part in (note, turns) if part)
        )

    def value(self, name: str) -> float | None:
        """A value by its name; None when it was not measured."""
        return next((figure.value for figure in self.all if figure.name == name), None)

    def table(self) -> Table:
        """For people."""
        table = Table(title="Foldline, measured", title_justify="left")
        for column in ("figure", "value", "share of its limit", "has to be", "", "processor", "note"):
            table.add_column(column, justify="right" if column in ("value", "share of its limit") else "left")
        for figure in self.all:
            share = "" if figure.share is None else f"{figure.share:.2f} of {figure.of}"
            verdict = {None: "", True: "yes", False: "no"}[figure.good]
            cells = (_value(figure), share, _bounds(figure), verdict, self._speed(figure), figure.note)
            table.add_row(figure.name, *cells)
        return table

    def markdown(self) -> str:
        """For docs/performance.md."""
        lines = [
            "| figure | value | share | has to be | reached | processor | note |",
            "|---|---:|---|---|---|---:|---|",
        ]
        for figure in self.all:
            share = "" if figure.share is None else f"{figure.share:.2f} of {figure.of}"
            verdict = {None: "", True: "yes", False: "**no**"}[figure.good]
            speed = self._speed(figure)
            cells = (figure.name, _value(figure), share, _bounds(figure), verdict, speed, figure.note)
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def _speed(self, figure: Figure) -> str:
        """How fast the processor was then, of the fastest it was in this run: others may share it."""
        return f"{figure.pace / max(one.pace for one in self.all):.0%}"

    def document(self) -> list[dict[str, Any]]:
        """For machines."""
        return [asdict(figure) | {"good": figure.good} for figure in self.all]


def _value(figure: Figure) -> str:
    number = f"{figure.value:,.0f}" if figure.value >= 100 else f"{figure.value:.2f}"
    return f"{number} {figure.unit}"


def _bounds(figure: Figure) -> str:
    if figure.least is not None:
        return f"≥ {figure.least:g}"
    return f"≤ {figure.most:g}" if figure.most is not None else ""
