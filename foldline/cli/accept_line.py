"""`foldline accept-line`: go on with a line that was replaced or rolled back."""

from typing import Annotated

import typer

from consumers.control.accept_line import accept_line as accept
from foldline.cli.connections import bus, command_settings, database, run
from foldline.cli.parameters import JsonLines
from foldline.cli.progress import ProgressDisplay
from line.identity import changed_streams
from projections.catalogue import projections_of
from runtime.problems import Problem


def accept_line(
    yes: Annotated[
        bool, typer.Option("--yes", help="Confirm that the read models lose what the line no longer holds.")
    ] = False,
    as_json: JsonLines = False,
) -> None:
    """Accept the line as it is, after NATS lost or replaced a stream: fold every read model anew from it.

    Try to restore a backup first. Reads see the old read models until the new ones are built. When it is
    interrupted, the same command continues.
    """
    run(_accept(yes=yes, as_json=as_json))


async def _accept(*, yes: bool, as_json: bool) -> None:
    config = command_settings(database=True)
    async with bus(config) as nc, database(config) as conn:
        if not yes:
            found = [
                f"stream {one.stream} {one.found}" for one in await changed_streams(nc, conn, closely=True)
            ]
            raise Problem(
                "the read models would lose what the line no longer holds: say --yes to accept that",
                details=tuple(found or ["no stream was found changed"]),
            )
        with ProgressDisplay(as_json=as_json) as display:
            await accept(
                projections_of(config.endpoints),
                config,
                nc,
                report=display.report,
                tell=lambda line: typer.echo(line, err=True),
            )
    if not as_json:
        typer.echo("the line is accepted, and every read model was folded anew from it")
