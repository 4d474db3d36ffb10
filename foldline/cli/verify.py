"""`foldline verify`: fold the line beside what is live, and compare every row."""

from typing import Annotated, Any, Final

import typer
from rich.console import Console

from consumers.control.verify import Verification
from consumers.control.verify import verify as verify_projection
from foldline.cli.connections import bus, control_settings, database, printable, run, show_json
from foldline.cli.parameters import JsonLines, Workers
from foldline.cli.progress import ProgressDisplay
from projections.catalogue import projection_named, projections_of
from projections.projection import Projection
from runtime.settings.database import FoldSettings

_SHOWN: Final = 200  # characters of a value


def verify(
    projection: Annotated[
        str | None, typer.Argument(metavar="[PROJECTION]", help="Name of the projection; default: all.")
    ] = None,
    workers: Workers = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Most differences that are shown; all are counted.")
    ] = 1_000,
    as_json: JsonLines = False,
) -> None:
    """Fold the line into a scratch schema up to the live checkpoints, and compare every row.

    Exit code 1 when a row differs. Reads and consumers go on meanwhile.
    """
    config = control_settings(workers)
    if projection is None:
        chosen = projections_of(config.endpoints)
    else:
        chosen = (projection_named(projection, config.endpoints),)
    run(_verify(chosen, config, limit=limit, as_json=as_json))


async def _verify(
    chosen: tuple[Projection[Any, Any], ...], config: FoldSettings, *, limit: int, as_json: bool
) -> None:
    different = 0
    async with bus(config) as nc, database(config):
        for projection in chosen:
            with ProgressDisplay(as_json=as_json) as display:
                found = await verify_projection(projection, config, nc, report=display.report, limit=limit)
            if as_json:
                show_json(found.as_json())
            else:
                _show(found)
            different += found.total
    if different:
        raise typer.Exit(1)


def _show(found: Verification) -> None:
    console = Console(highlight=False)
    for difference in found.differences:
        key = " ".join(f"{name}={printable(str(value))}" for name, value in difference.key.items())
        console.print(f"{difference.table} {key}: {difference.kind}", markup=False)
        for name, (there, line) in difference.columns.items() if difference.kind == "changed" else ():
            console.print(f"    {name}: {_short(there)}; the line gives {_short(line)}", markup=False)
    if found.total > len(found.differences):
        console.print(f"… and {found.total - len(found.differences):,} more")
    rows = sum(found.rows.values())
    verdict = f"{found.total:,} rows differ" if found.total else "equal"
    console.print(f"{found.projection}: {verdict}; {rows:,} rows compared in {found.elapsed:.1f} s")


def _short(value: str | None) -> str:
    text = "nothing" if value is None else printable(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
