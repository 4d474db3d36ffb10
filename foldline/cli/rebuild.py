"""`foldline rebuild`, `put-back` and `verify`: fold the line anew, and compare."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import psycopg
import typer
from rich.console import Console

from consumers.control.entity_rebuild import rebuild_entity
from consumers.control.rebuild import rebuild as rebuild_projection
from consumers.control.verify import Verification
from consumers.control.verify import verify as verify_projection
from foldline.cli.connections import bus, command_settings, database, printable, run, show_json
from foldline.cli.parameters import EntitySite, JsonLines, Projection
from foldline.cli.progress import ProgressDisplay
from projections.catalogue import projection_named, projections_of
from projections.generations import Role, generations
from projections.projection import Projection as AnyProjection
from runtime.problems import Problem
from runtime.settings import Settings

_SHOWN: Final = 200  # characters of a value

Workers = Annotated[
    int | None,
    typer.Option(min=1, max=64, help="Number of processes that fold; default: FOLDLINE_REBUILD_WORKERS."),
]


def rebuild(
    projection: Projection,
    *,
    workers: Workers = None,
    anew: Annotated[bool, typer.Option("--anew", help="Discard what an unfinished rebuild built.")] = False,
    entity: Annotated[str | None, typer.Option(metavar="ID", help="Rebuild this entity alone.")] = None,
    site: EntitySite = None,
    as_json: JsonLines = False,
) -> None:
    """Fold the line from its start into a new generation beside the live one, then switch to it.

    Reads and consumers go on meanwhile. Ctrl-C stops it; the same command continues where it was. The
    generation that is replaced is kept: see put-back and drop.
    """
    if entity is not None:
        run(_rebuild_entity(projection, _settings(workers), site, entity, as_json=as_json))
    else:
        run(_rebuild(projection, _settings(workers), anew=anew, as_json=as_json))


def put_back(projection: Projection, workers: Workers = None, as_json: JsonLines = False) -> None:
    """Make the generation that the last rebuild replaced live again, once it has caught up."""
    run(_rebuild(projection, _settings(workers), put_back=True, as_json=as_json))


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
    config = _settings(workers)
    if projection is None:
        chosen = projections_of(config.endpoints)
    else:
        chosen = (projection_named(projection, config.endpoints),)
    run(_verify(chosen, config, limit=limit, as_json=as_json))


def _settings(workers: int | None) -> Settings:
    config = command_settings(database=True)
    return config if workers is None else config.model_copy(update={"rebuild_workers": workers})


async def _rebuild(
    name: str, config: Settings, *, as_json: bool, anew: bool = False, put_back: bool = False
) -> None:
    projection = projection_named(name, config.endpoints)
    async with bus(config) as nc, database(config) as conn:
        with ProgressDisplay(as_json=as_json) as display, _says_how_to_continue(name):
            done = await rebuild_projection(
                projection, config, nc, report=display.report, anew=anew, put_back=put_back
            )
        live = (await generations(conn, name))[Role.LIVE]
    if not as_json:
        carried = f"{done.carried:,} entities older than the line are kept; " if done.carried else ""
        Console(highlight=False).print(
            f"{name}: generation {live.number} is live, {done.total:,} events in {done.elapsed:.1f} s; "
            f"{carried}the generation before is kept until `foldline drop {name} old`"
        )


async def _rebuild_entity(
    name: str, config: Settings, site: str | None, entity: str, *, as_json: bool
) -> None:
    projection = projection_named(name, config.endpoints)
    key = site or config.site, entity
    async with bus(config) as nc, database(config) as conn:
        folded = await rebuild_entity(conn, nc, projection, key, config.partitions)
    if as_json:
        show_json({"projection": name, "site": key[0], "id": entity, "events": folded})
    else:
        typer.echo(f"{entity} at {key[0]}: {folded} events folded anew")


async def _verify(
    chosen: tuple[AnyProjection[Any, Any], ...], config: Settings, *, limit: int, as_json: bool
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
