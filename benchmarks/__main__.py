"""`python -m benchmarks`: measure everything, or the parts that are named."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks import comparison
from benchmarks.figures import Figures
from benchmarks.machine import describe_machine
from benchmarks.parts import PARTS
from benchmarks.sizes import FULL, QUICK, Sizes

_LIMITS = "limits"  # always measured: the others are shares of them


def measure(
    parts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PART]...", help=f"Any of {', '.join(PARTS)}; default: all."),
    ] = None,
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Measure a little of everything: does it work, and at what cost?")
    ] = False,
    turns: Annotated[
        int | None,
        typer.Option("--turns", metavar="N", min=1, help="Measure each figure N times and show the medians."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write the table as Markdown.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Compare the costs with those of an earlier run, as --json wrote it.",
        ),
    ] = None,
) -> None:
    """Measure the engine against the raw limits of this machine, on servers started for it.

    Nothing else should run meanwhile. Exit code 1 when something does not work; a slow machine is no failure.
    """
    unknown = [part for part in parts or () if part not in PARTS]
    if unknown:
        raise typer.BadParameter(f"no part is called {', '.join(unknown)}: the parts are {', '.join(PARTS)}")
    old = comparison.read_run(against, quick=quick) if against is not None else None
    wanted = [part for part in PARTS if not parts or part in parts or part == _LIMITS]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever was started is ended in any case
    sizes = QUICK if quick else FULL
    figures = Figures()
    try:
        asyncio.run(_measure(wanted, sizes.with_turns(turns) if turns else sizes, figures))
    finally:  # a run that was stopped or failed shows what it has measured
        if figures.all:
            _show(figures, quick, old, file, markdown)


def _show(
    figures: Figures, quick: bool, old: comparison.Document | None, file: Path | None, markdown: Path | None
) -> None:
    console = Console(width=160)
    console.print(figures.table())
    document = {"machine": describe_machine(), "quick": quick, "figures": figures.document()}
    if old is not None:
        console.print(comparison.table(comparison.compare_costs(old, document)))
    if file is not None:
        file.write_text(json.dumps(document, indent=2) + "\n")
    if markdown is not None:
        machine = "".join(f"- {name}: {value}\n" for name, value in describe_machine().items())
        markdown.write_text(f"{machine}\n{figures.markdown()}\n")


async def _measure(wanted: list[str], sizes: Sizes, figures: Figures) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(wanted))
        for name in wanted:
            part = PARTS[name]
            title = (part.__doc__ or name).rstrip(".")

            def show_status(text: str, title: str = title) -> None:
                progress.update(task, description=f"{title}: {text}")
                progress.console.log(f"{title}: {text}")

            show_status("servers start")
            await part(sizes, figures, show_status)
            progress.advance(task)


if __name__ == "__main__":
    typer.run(measure)
