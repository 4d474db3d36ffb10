"""`foldline accept-line`: go on with a line that was replaced or rolled back."""

from typing import Annotated

import typer

from consumers.control.accept_line import accept_line as accept
from foldline.cli.connections import bus, command_settings, projections_database, run
from foldline.cli.progress import ProgressDisplay
from line.identity import changed_streams
from projections.catalogue import projections_of
from runtime.problems import Problem


def accept_line(
    yes: Annotated[
        bool, typer.Option("--yes", help="Confirm that read models lose what the line no longer holds.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print readings as lines of JSON.")] = False,
) -> None:
    """Accept the line as it is after NATS lost or replaced a stream: fold every read model anew from it.

    Try to restore the right backup first. Readers see the old read models until
    the new ones are built. Ended early, the same command goes on.
    """
    run(_accept(yes=yes, as_json=as_json))


async def _accept(*, yes: bool, as_json: bool) -> None:
    config = command_settings(database=True)
    async with bus(config) as nc, projections_database(config) as conn:
        if not yes:
            found = [
                f"stream {one.stream} {one.found}" for one in await changed_streams(nc, conn, closely=True)
            ]
            raise Problem(
                "read models lose what the line no longer holds: say --yes if that is what you want",
                details=tuple(found or ["no change was found"]),
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
        typer.echo("the line is accepted, and every read model is folded from it")
