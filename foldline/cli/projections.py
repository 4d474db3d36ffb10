"""`foldline projections`, `cancel` and `drop`: the read models and their state."""

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from consumers.control.building_generation import drop_generation
from consumers.control.overview import Overview, overview
from foldline.cli.connections import bus, command_settings, database, printable, ranges, run, show_json
from foldline.cli.parameters import Json, Projection
from foldline.cli.tables import print_table
from projections.catalogue import projection_named, projections_of
from projections.generations import Role, cancel_building
from runtime.problems import Problem
from runtime.settings.database import FoldSettings
from schemas.times import format_time


def projections(as_json: Json = False) -> None:
    """List the projections with their generations, versions, lag in events, and pauses."""
    run(_projections(as_json))


def drop(
    projection: Projection,
    generation: Annotated[
        str,
        typer.Argument(
            metavar="old|building", help="old: the one the last rebuild replaced; building: a half-built one."
        ),
    ],
) -> None:
    """Drop a generation that is not live."""
    run(_drop(projection, generation))


def cancel(projection: Projection) -> None:
    """Ask a rebuild to stop, wherever it runs; `foldline rebuild` continues with what was built."""
    run(_cancel(projection))


async def _projections(as_json: bool) -> None:
    config = command_settings(database=True)
    async with bus(config) as nc, database(config) as conn:
        found = await overview(nc, conn, projections_of(config.endpoints))
    if as_json:
        show_json([one.as_json() for one in found])
    else:
        _show(found)


def _settings(name: str) -> FoldSettings:
    """The settings of a command about a projection. Raises Problem when there is none of that name."""
    config = command_settings(database=True)
    projection_named(name, config.endpoints)
    return config


async def _cancel(name: str) -> None:
    async with database(_settings(name)) as conn:
        building = await cancel_building(conn, name)
    typer.echo(f"{name}: the rebuild was asked to stop" if building else f"{name} is not being rebuilt")


async def _drop(name: str, generation: str) -> None:
    config = _settings(name)
    if generation not in ("old", "building"):
        raise Problem(f"{generation[:50]!r} is no generation that can be dropped: name old or building")
    async with database(config):
        dropped = await drop_generation(config, name, Role(generation))
    typer.echo(
        f"{name}: the {generation} generation is dropped"
        if dropped
        else f"{name} has no {generation} generation"
    )


def _show(found: list[Overview]) -> None:
    console = Console(highlight=False)
    rows = [
        (
            one.name,
            f"{generation.number} {generation.role}",
            str(generation.version),
            format_time(generation.began_at),
            f"{sum(one.follower.lag_events.values()):,}" if generation.role is Role.LIVE else "",
        )
        for one in found
        for generation in one.generations
    ]
    print_table(
        console,
        ("projection", "generation", "version", "since", "lag"),
        rows,
        numbers=("version", "lag"),
        optional=("since", "version"),
    )
    for one in found:
        for reason, parts in one.paused.items():
            paused = f"{one.name}: the partitions {ranges(parts)} are paused: {printable(reason)}"
            console.print(Text(paused, style="red"))
