"""`foldline parked`: entities whose fold raised, and what to do about them."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumers.control.parked import ParkedEntity, parked_entities, retry_parked, skip_parked_event
from foldline.cli.connections import command_settings, printable, projections_database, run, show_json
from projections.catalogue import projection_named, projections_of

Name = Annotated[str, typer.Argument(metavar="PROJECTION", help="For example: sessions.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the parked entity.")]
Site = Annotated[str | None, typer.Option(help="Site of the entity; default: this site.")]

parked = typer.Typer(
    add_completion=False,
    help="Entities whose fold raised: their events wait in order, and the others go on.",
)


@parked.callback(invoke_without_command=True)
def _listed(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    if context.invoked_subcommand is None:
        run(_list(as_json))


@parked.command()
def retry(projection: Name, entity: Id, site: Site = None) -> None:
    """Fold the events that wait for an entity, in order, after the program was mended."""
    run(_retry(projection, entity, site))


@parked.command()
def skip(
    projection: Name,
    entity: Id,
    reason: Annotated[str, typer.Option(help="Why, for whoever finds it later.")],
    site: Site = None,
) -> None:
    """Skip the event that an entity is stuck at, in every fold from now on, and fold what waits behind it."""
    run(_skip(projection, entity, site, reason))


async def _list(as_json: bool) -> None:
    config = command_settings(database=True)
    async with projections_database(config) as conn:
        found = {one.name: await parked_entities(conn, one) for one in projections_of(config.endpoints)}
    if as_json:
        show_json({name: [one.as_json() for one in entities] for name, entities in found.items()})
    else:
        _show(found)


async def _retry(name: str, entity: str, site: str | None) -> None:
    config = command_settings(database=True)
    projection, key = projection_named(name, config.endpoints), (site or config.site, entity)
    async with projections_database(config) as conn:
        folded = await retry_parked(conn, projection, key, config.partitions)
    typer.echo(f"{entity} at {key[0]}: {folded} events folded; it is no longer parked")


async def _skip(name: str, entity: str, site: str | None, reason: str) -> None:
    config = command_settings(database=True)
    projection, key = projection_named(name, config.endpoints), (site or config.site, entity)
    async with projections_database(config) as conn:
        folded = await skip_parked_event(conn, projection, key, config.partitions, reason)
    typer.echo(f"{entity} at {key[0]}: 1 event is skipped, {folded} folded; it is no longer parked")


def _show(found: dict[str, list[ParkedEntity]]) -> None:
    console = Console(highlight=False)
    if not any(found.values()):
        console.print("no parked entities")
        return
    table = Table("projection", "site", "id", "stuck at", "error", "waiting")
    for name, entities in found.items():
        for one in entities:
            place = f"{one.stream}/{one.partition}:{one.sequence}"
            table.add_row(name, one.site, one.id, place, Text(printable(one.error)), f"{one.waiting:,}")
    console.print(table)
