"""Two runs are compared by what their figures cost."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from benchmarks import comparison
from benchmarks.comparison import compare_costs, read_run, table
from benchmarks.figures import Figures
from benchmarks.turn import Turn


def run(*, quick: bool = True, **costs: float | None) -> dict[str, Any]:
    """A run with figures of these costs, all of them with a floor but the one called `free`."""
    figures = Figures(lambda: 1.0)
    for name, cost in costs.items():
        least = None if name == "free" else 1.0
        figures.add(name, [Turn(5.0, cost, 1_000)], "events/s", least=least)
    return {"machine": {}, "quick": quick, "figures": figures.document()}


@pytest.mark.parametrize(("new", "dearer"), [(1.5, False), (2.0, False), (2.19, False), (2.21, True)])
def test_what_costs_more_than_a_tenth_more_is_marked(new: float, dearer: bool) -> None:
    (found,) = compare_costs(run(bulk=2.0), run(bulk=new))
    assert found.ratio == pytest.approx(new / 2)
    assert found.dearer is dearer


def test_only_figures_with_a_bound_and_a_cost_are_compared() -> None:
    found = compare_costs(run(bulk=2.0, free=1.0, memory=None), run(bulk=2.0, free=9.0, memory=None))
    assert [figure.name for figure in found] == ["bulk"]


def test_a_figure_that_is_bound_in_one_run_is_compared() -> None:
    old, new = run(rebuild=2.0), run(rebuild=3.0)
    new["figures"][0]["least"] = None
    assert compare_costs(old, new)[0].dearer
    assert compare_costs(new, old)[0].ratio == pytest.approx(2 / 3)


def test_a_figure_of_one_run_is_told_and_not_judged() -> None:
    found = compare_costs(run(bulk=2.0, gone=1.0), run(bulk=2.0, come=1.0))
    assert [(figure.name, figure.ratio, figure.dearer) for figure in found] == [
        ("bulk", 1.0, False),
        ("gone", None, False),
        ("come", None, False),
    ]


def test_people_see_the_ratio_and_the_mark() -> None:
    written = StringIO()
    Console(width=100, file=written).print(table(compare_costs(run(bulk=2.0, gone=1.0), run(bulk=3.0))))
    shown = {line.split()[1]: line for line in written.getvalue().splitlines() if "s/1,000" in line}
    assert "1.50" in shown["bulk"]
    assert "beyond 1.10" in shown["bulk"]
    assert "not measured" in shown["gone"]


def test_runs_are_compared_as_they_were_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(run(bulk=2.0)))
    new.write_text(json.dumps(run(bulk=3.0)))
    comparison.compare(old, new)
    assert "beyond 1.10" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"quick": true, "figures": [{"name": "old"}]}'])
def test_what_is_no_run_with_costs_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "run.json"
    file.write_text(text)
    with pytest.raises(typer.BadParameter, match="is no run with costs"):
        read_run(file)


def test_a_quick_run_is_not_compared_with_a_whole_one(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(run(quick=False, bulk=2.0)))
    assert read_run(file, quick=False)["figures"]
    with pytest.raises(typer.BadParameter, match="is a whole run: it cannot be compared with a quick run"):
        read_run(file, quick=True)
