"""`foldline pause` and `resume`: projections and reactors that stand still until somebody says otherwise."""

from typing import Annotated

import typer

from consumers.control import pause as followers
from consumers.control.reactors import pause_reactor, resume_reactor
from consumers.reactors.catalogue import REACTORS
from consumers.reactors.declaration import has_streams
from foldline.cli.connections import command_settings, database, run
from foldline.cli.parameters import Reason
from projections.catalogue import projections_of
from runtime.problems import Problem
from runtime.settings.line import LineSettings

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of a projection or reactor, such as sessions or expiry.")
]


def pause(name: Name, reason: Reason) -> None:
    """Stop a projection or reactor until it is resumed, over restarts as well; reads go on."""
    run(_pause(name, reason))


def resume(name: Name) -> None:
    """Let a paused projection or reactor go on; partitions that stopped by themselves go on as well."""
    run(_resume(name))


async def _pause(name: str, reason: str) -> None:
    config = command_settings(database=True)
    of_a_projection = _is_projection(name, config)
    async with database(config) as conn:
        if of_a_projection:
            await followers.pause(conn, name, reason)
        else:
            await pause_reactor(conn, name, reason)
    stands_still = "nothing is folded" if of_a_projection else "it does nothing, within two seconds,"
    typer.echo(f"{name} is paused: {stands_still} until `foldline resume {name}`")


async def _resume(name: str) -> None:
    config = command_settings(database=True)
    of_a_projection = _is_projection(name, config)
    async with database(config) as conn:
        if of_a_projection:
            paused = await followers.resume(conn, name)
            goes_on = f"{name}: {paused} partitions go on"
        else:
            paused = await resume_reactor(conn, name)
            goes_on = f"{name} goes on"
    typer.echo(goes_on if paused else f"{name} was not paused")


def _is_projection(name: str, config: LineSettings) -> bool:
    """Whether it is a projection and no reactor. Raises Problem when it is neither."""
    projections = [projection.name for projection in projections_of(config.endpoints)]
    reactors = [reactor.name for reactor in REACTORS if has_streams(reactor, config)]  # none at a centre
    if name not in (*projections, *reactors):
        known = ", ".join((*projections, *reactors))
        raise Problem(f"no projection or reactor {name[:100]!r}: known are {known}")
    return name in projections
