"""`foldline projections`, `pause`, `resume`, `drop` and `cancel`: the state of read models and rebuilds."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumers.control.building_generation import drop_generation
from consumers.control.overview import Overview, overview
from consumers.control.pause import pause as pause_projection
from consumers.control.pause import resume as resume_projection
from foldline.cli.connections import bus, command_settings, printable, projections_database, run, show_json
from projections.catalogue import projection_named, projections_of
from projections.generations import Role, cancel_building
from runtime.problems import Problem
from runtime.settings import Settings
from schemas.times import format_time

Name = Annotated[str, typer.Argument(metavar="PROJECTION", help="For example: sessions.")]


def projections(
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """List the projections: generations and versions, lag, pauses."""
    run(_projections(as_json))


def pause(
    projection: Name,
    reason: Annotated[str, typer.Option(help="Why it is paused, for whoever finds it later.")],
) -> None:
    """Stop folding a projection, whatever restarts, until it is resumed. Readers go on."""
    run(_pause(projection, reason))


def resume(projection: Name) -> None:
    """Fold a paused projection again, also partitions that stopped by themselves."""
    run(_resume(projection))


def drop(
    projection: Name,
    generation: Annotated[str, typer.Argument(metavar="old|building", help="Which generation.")],
) -> None:
    """Drop the old generation, kept from before the last rebuild, or one that is not fully built."""
    run(_drop(projection, generation))


def cancel(projection: Name) -> None:
    """Ask a rebuild to stop, wherever it runs; what was built is kept, and `foldline rebuild` goes on."""
    run(_cancel(projection))


async def _projections(as_json: bool) -> None:
    config = command_settings(database=True)
    async with bus(config) as nc, projections_database(config) as conn:
        found = await overview(nc, conn, projections_of(config.endpoints))
    if as_json:
        show_json([one.as_json() for one in found])
    else:
        _show(found)


def _settings(name: str) -> Settings:
    """The settings of a command about a projection. Raises Problem when there is none of that name."""
    config = command_settings(database=True)
    projection_named(name, config.endpoints)
    return config


async def _pause(name: str, reason: str) -> None:
    async with projections_database(_settings(name)) as conn:
        await pause_projection(conn, name, reason)
    typer.echo(f"{name} is paused: nothing is folded until `foldline resume {name}`")


async def _resume(name: str) -> None:
    async with projections_database(_settings(name)) as conn:
        paused = await resume_projection(conn, name)
    typer.echo(f"{name}: {paused} partitions go on" if paused else f"{name} was not paused")


async def _cancel(name: str) -> None:
    async with projections_database(_settings(name)) as conn:
        building = await cancel_building(conn, name)
    typer.echo(
        f"{name}: the rebuild is asked to stop" if building else f"{name}: no generation is being built"
    )


async def _drop(name: str, generation: str) -> None:
    config = _settings(name)
    if generation not in ("old", "building"):
        raise Problem(f"there is no generation {generation[:50]!r} to drop: name old or building")
    async with projections_database(config):
        dropped = await drop_generation(config, name, Role(generation))
    typer.echo(
        f"{name}: the {generation} generation is dropped"
        if dropped
        else f"{name}: there is no {generation} generation"
    )


def _show(found: list[Overview]) -> None:
    console = Console(highlight=False)
    table = Table("projection", "generation", "version", "since", "state")
    for one in found:
        for generation in one.generations:
            live = generation.role is Role.LIVE
            table.add_row(
                one.name if live else "",
                f"{generation.number} {generation.role}",
                str(generation.version),
                format_time(generation.began_at),
                Text(_state(one)) if live else "",
            )
    console.print(table)


def _state(one: Overview) -> str:
    lag = f"{sum(one.follower.lag_events.values()):,} events behind"
    paused = (
        f"paused ({' '.join(map(str, parts))}): {printable(reason)}" for reason, parts in one.paused.items()
    )
    return "\n".join([lag, *paused])
