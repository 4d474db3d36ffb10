"""Comparison of two runs by cost: `python -m benchmarks.comparison OLD.json NEW.json`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

Document = Mapping[str, Any]
"""A run, as `--json` writes it."""

MAX_RATIO: Final = 1.10  # of the new cost to the old one; a figure beyond it is marked


@dataclass(frozen=True, slots=True)
class CostComparison:
    """The costs of one figure in two runs; None in a run that did not measure it."""

    name: str
    unit: str
    old: float | None
    new: float | None

    @property
    def ratio(self) -> float | None:
        """The new cost, divided by the old one."""
        return self.new / self.old if self.old and self.new is not None else None

    @property
    def dearer(self) -> bool:
        """Whether the new cost is more than `MAX_RATIO` times the old one."""
        return self.ratio is not None and self.ratio > MAX_RATIO


def compare_costs(old: Document, new: Document) -> list[CostComparison]:
    """Compare every figure that has a cost, and a floor or a ceiling in one of the two runs."""
    before, after = _costs(old), _costs(new)
    figures = {figure["name"]: figure for figure in [*old["figures"], *new["figures"]] if _is_bound(figure)}
    return [
        CostComparison(name, figure["cost_unit"], before.get(name), after.get(name))
        for name, figure in figures.items()
        if name in before or name in after
    ]


def table(figures: list[CostComparison]) -> Table:
    """Show a comparison to people."""
    shown = Table(title="Processor seconds, new and old", title_justify="left")
    for column in ("figure", "old", "new", "unit", "new/old", ""):
        shown.add_column(column, justify="right" if column in ("old", "new", "new/old") else "left")
    for figure in figures:
        shown.add_row(
            figure.name,
            _number(figure.old),
            _number(figure.new),
            figure.unit,
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            f"beyond {MAX_RATIO:.2f}" if figure.dearer else "",
        )
    return shown


def read_run(file: Path, *, quick: bool | None = None) -> Document:
    """Read a run as `--json` wrote it. Raises BadParameter when it is something else.

    `quick` asks for a quick run or a whole one. Those two are not comparable: whatever is done once, as a
    start, weighs more where little is done.
    """
    try:
        document = dict(json.loads(file.read_text()))
        is_quick = document["quick"]
        known = all("cost" in figure for figure in document["figures"])
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise typer.BadParameter(f"{file} is no run with costs: name what --json of a run has written")
    if quick is not None and is_quick != quick:
        kinds = {True: "a quick run", False: "a whole run"}
        raise typer.BadParameter(f"{file} is {kinds[is_quick]}: it cannot be compared with {kinds[quick]}")
    return document


def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD.json", exists=True, dir_okay=False)],
    new: Annotated[Path, typer.Argument(metavar="NEW.json", exists=True, dir_okay=False)],
) -> None:
    """Compare the costs of two runs, figure by figure, and mark those that grew by more than a tenth."""
    before = read_run(old)
    after = read_run(new, quick=before["quick"])
    Console(width=120).print(table(compare_costs(before, after)))


def _costs(run: Document) -> dict[str, float]:
    return {figure["name"]: figure["cost"] for figure in run["figures"] if figure["cost"] is not None}


def _is_bound(figure: Mapping[str, Any]) -> bool:
    return figure["least"] is not None or figure["most"] is not None


def _number(cost: float | None) -> str:
    return "not measured" if cost is None else f"{cost:.3g}"


if __name__ == "__main__":
    typer.run(compare)
