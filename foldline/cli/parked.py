"""`foldline parked`: entities whose fold raised, and what to do about them."""

import typer
from rich.console import Console

from consumers.control.parked import ParkedEntity, parked_entities, retry_parked, skip_parked_event
from foldline.cli.connections import command_settings, database, printable, run, show_json
from foldline.cli.groups import ListByDefault
from foldline.cli.parameters import EntitySite, Json, ParkedId, Projection, Reason
from projections.catalogue import projection_named, projections_of

parked = typer.Typer(
    cls=ListByDefault,
    add_completion=False,
    help="Parked entities: their fold failed, so their events wait while all others are folded.",
)


@parked.command("list")
def list_(as_json: Json = False) -> None:
    """List parked entities and the event each is stuck at; the default command."""
    run(_list(as_json))


@parked.command()
def retry(projection: Projection, entity: ParkedId, site: EntitySite = None) -> None:
    """Fold the events that wait for a parked entity, in order, once the fold is repaired."""
    run(_retry(projection, entity, site))


@parked.command()
def skip(projection: Projection, entity: ParkedId, reason: Reason, site: EntitySite = None) -> None:
    """Skip the event an entity is stuck at, in every fold from now on, and fold the events behind it."""
    run(_skip(projection, entity, site, reason))


async def _list(as_json: bool) -> None:
    config = command_settings(database=True)
    async with database(config) as conn:
        found = {one.name: await parked_entities(conn, one) for one in projections_of(config.endpoints)}
    if as_json:
        show_json({name: [one.as_json() for one in entities] for name, entities in found.items()})
    else:
        _show(found)


async def _retry(name: str, entity: str, site: str | None) -> None:
    config = command_settings(database=True)
    projection, key = projection_named(name, config.endpoints), (site or config.site, entity)
    async with database(config) as conn:
        folded = await retry_parked(conn, projection, key, config.partitions)
    typer.echo(f"{entity} at {key[0]} is no longer parked: {folded} events folded")


async def _skip(name: str, entity: str, site: str | None, reason: str) -> None:
    config = command_settings(database=True)
    projection, key = projection_named(name, config.endpoints), (site or config.site, entity)
    async with database(config) as conn:
        folded = await skip_parked_event(conn, projection, key, config.partitions, reason)
    typer.echo(f"{entity} at {key[0]} is no longer parked: one event skipped, {folded} events folded")


def _show(found: dict[str, list[ParkedEntity]]) -> None:
    console = Console(highlight=False)
    if not any(found.values()):
        console.print("no parked entities")
    for name, entities in found.items():
        for one in entities:
            event = f"{one.stream}/{one.partition}:{one.sequence}"
            who = f"{name}: {printable(one.id)} at {printable(one.site)}"
            console.print(f"{who} is stuck at {event}, {one.waiting:,} events wait", markup=False)
            console.print(f"    {printable(one.error)}", markup=False)
