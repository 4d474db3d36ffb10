"""`foldline reactors`: what acts on the facts of the line, and how it does."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from consumers.control.reactors import reactor_statuses
from foldline.cli.connections import bus, command_settings, database, printable, run, show_json
from foldline.cli.parameters import Json
from foldline.cli.tables import print_table
from line.status import read_status
from schemas.reactors import ReactorStatus


def reactors(as_json: Json = False) -> None:
    """List the reactors: state, what waits for them, the last success, failures and pauses."""
    run(_reactors(as_json))


async def _reactors(as_json: bool) -> None:
    config = command_settings(database=True)
    async with bus(config) as nc, database(config) as conn:
        followers = (await read_status(nc, conn)).followers
        found = await reactor_statuses(nc, conn, config, followers)
    if as_json:
        show_json([one.model_dump() for one in found])
    else:
        show_reactors(Console(highlight=False), found)


def show_reactors(console: Console, found: Sequence[ReactorStatus]) -> None:
    """Print a table, and below it what somebody should look at."""
    rows = [
        (
            one.name,
            one.kind,
            one.state,
            "" if one.pending is None else f"{one.pending:,} events",
            one.last_success or "-",
        )
        for one in found
    ]
    print_table(
        console,
        ("reactor", "kind", "state", "waiting", "last success"),
        rows,
        numbers=("waiting",),
        optional=("last success", "kind"),
        title="Reactors",
    )
    for one in found:
        if one.setting and one.state == "not running":
            console.print(f"{one.name} runs where {one.setting} is set", markup=False)
    for warning in (line for one in found for line in _warnings(one)):
        console.print(Text(warning, style="red"))


def _warnings(one: ReactorStatus) -> Iterator[str]:
    if one.paused:
        yield f"{one.name}: paused since {one.paused.since}: {printable(one.paused.reason)}"
    for event in one.failing:
        yield (
            f"{one.name}: {event.stream}:{event.sequence} ({printable(event.subject)}) failed {event.tries} "
            f"times, it is tried again: {printable(event.error)}"
        )
    if one.failing_total > len(one.failing):
        yield f"{one.name}: {one.failing_total:,} events fail, the oldest are shown"
    if one.state == "failing" and not one.failing and one.last_failure:
        yield f"{one.name}: failed at {one.last_failure.at}: {printable(one.last_failure.error)}"
