"""`foldline rebuild` and `put-back`: fold the line anew beside what is live, then switch."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import psycopg
import typer
from rich.console import Console

from consumers.control.entity_rebuild import rebuild_entity
from consumers.control.rebuild import rebuild as rebuild_projection
from foldline.cli.connections import bus, control_settings, database, run, show_json
from foldline.cli.parameters import EntitySite, JsonLines, Projection, Workers
from foldline.cli.progress import ProgressDisplay
from projections.catalogue import projection_named
from projections.generations import Role, generations
from runtime.problems import Problem
from runtime.settings.database import FoldSettings

AcceptLoss = Annotated[
    bool,
    typer.Option("--accept-loss", help="Give up what the line no longer holds, though nothing explains it."),
]


def rebuild(
    projection: Projection,
    *,
    workers: Workers = None,
    anew: Annotated[bool, typer.Option("--anew", help="Discard what an unfinished rebuild built.")] = False,
    entity: Annotated[str | None, typer.Option(metavar="ID", help="Rebuild this entity alone.")] = None,
    site: EntitySite = None,
    accept_loss: AcceptLoss = False,
    as_json: JsonLines = False,
) -> None:
    """Fold the line from its start into a new generation beside the live one, then switch to it.

    Reads and consumers go on meanwhile. Ctrl-C stops it; the same command continues where it was. The
    generation that is replaced is kept: see put-back and drop. It stops before it loses anything that the
    line no longer holds and no retention has removed.
    """
    config = control_settings(workers)
    if entity is not None:
        run(_rebuild_entity(projection, config, site, entity, accept_loss=accept_loss, as_json=as_json))
    else:
        run(_rebuild(projection, config, anew=anew, accept_loss=accept_loss, as_json=as_json))


def put_back(
    projection: Projection,
    workers: Workers = None,
    accept_loss: AcceptLoss = False,
    as_json: JsonLines = False,
) -> None:
    """Make the generation that the last rebuild replaced live again, once it has caught up."""
    config = control_settings(workers)
    run(_rebuild(projection, config, put_back=True, accept_loss=accept_loss, as_json=as_json))


async def _rebuild(
    name: str,
    config: FoldSettings,
    *,
    as_json: bool,
    accept_loss: bool,
    anew: bool = False,
    put_back: bool = False,
) -> None:
    projection = projection_named(name, config.endpoints)
    async with bus(config) as nc, database(config) as conn:
        with ProgressDisplay(as_json=as_json) as display, _says_how_to_continue(name):
            done = await rebuild_projection(
                projection,
                config,
                nc,
                report=display.report,
                anew=anew,
                put_back=put_back,
                accept_loss=accept_loss,
            )
        live = (await generations(conn, name))[Role.LIVE]
    if not as_json:
        carried = f"{done.carried:,} entities older than the line are kept; " if done.carried else ""
        Console(highlight=False).print(
            f"{name}: generation {live.number} is live, {done.total:,} events in {done.elapsed:.1f} s; "
            f"{carried}the generation before is kept until `foldline drop {name} old`"
        )


async def _rebuild_entity(
    name: str, config: FoldSettings, site: str | None, entity: str, *, accept_loss: bool, as_json: bool
) -> None:
    projection = projection_named(name, config.endpoints)
    key = site or config.site, entity
    async with bus(config) as nc, database(config) as conn:
        folded = await rebuild_entity(conn, nc, projection, key, config.partitions, accept_loss=accept_loss)
    if as_json:
        show_json({"projection": name, "site": key[0], "id": entity, "events": folded})
    else:
        typer.echo(f"{entity} at {key[0]}: {folded} events folded anew")


@contextmanager
def _says_how_to_continue(name: str) -> Iterator[None]:
    """Tell an operator whose rebuild is interrupted that nothing is lost, and how to continue."""
    try:
        yield
    except (KeyboardInterrupt, asyncio.CancelledError):
        typer.echo(
            f"stopped, nothing is lost: `foldline rebuild {name}` goes on, "
            f"`foldline drop {name} building` discards what was built",
            err=True,
        )
        raise
    except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
        raise Problem(
            f"PostgreSQL went away: when it is back, `foldline rebuild {name}` goes on where it was",
            "FOLDLINE_DATABASE_URL",
        ) from exc
