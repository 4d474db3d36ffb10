"""`foldline status`: streams, followers, lag, reactors."""

from collections.abc import Iterator

from rich.console import Console
from rich.filesize import decimal
from rich.text import Text

from consumers.control.reactors import reactor_statuses
from foldline.cli.connections import bus, command_settings, database, printable, ranges, run, show_json
from foldline.cli.parameters import Json
from foldline.cli.reactors import show_reactors
from foldline.cli.tables import print_table
from line.lost_facts import LostFacts
from line.status import FollowerStatus, LineStatus, StreamStatus, read_status
from projections.catalogue import projections_of
from schemas.reactors import ReactorStatus


def status(as_json: Json = False) -> None:
    """Show the streams, who folds which partitions, how far each follower is behind, and the reactors."""
    run(_status(as_json))


async def _status(as_json: bool) -> None:
    config = command_settings(database=True)
    async with bus(config) as nc, database(config) as conn:
        found = await read_status(nc, conn)
        reactors = await reactor_statuses(nc, conn, config, found.followers)
        cuts = [
            str(cut)
            for projection in projections_of(config.endpoints)
            for cut in await LostFacts(nc, conn, projection, config.partitions).cuts()
        ]
    if as_json:
        show_json(found.as_json() | {"cut": cuts, "reactors": [one.model_dump() for one in reactors]})
    else:
        _show(found, reactors, cuts)


def _show(found: LineStatus, reactors: list[ReactorStatus], cuts: list[str]) -> None:
    console = Console(highlight=False)
    _show_streams(console, found.streams)
    _show_followers(console, found.followers)
    show_reactors(console, reactors)
    warnings = [line for follower in found.followers for line in _warnings(follower)]
    for warning in (*warnings, *found.changed, *cuts):
        console.print(Text(warning, style="red"))


def _show_streams(console: Console, streams: list[StreamStatus]) -> None:
    rows = [
        (
            one.name,
            "gone" if one.gone else f"{one.messages:,}",
            decimal(one.bytes),
            f"{one.first_sequence}-{one.last_sequence}" if one.messages else "-",
            str(one.replicas),
        )
        for one in streams
    ]
    print_table(
        console,
        ("stream", "messages", "size", "sequences", "replicas"),
        rows,
        numbers=("messages", "size", "replicas"),
        optional=("replicas", "sequences", "size"),
        title="Streams",
    )


def _show_followers(console: Console, followers: list[FollowerStatus]) -> None:
    rows = [
        (one.name, f"{sum(one.lag_events.values()):,} events", f"{one.lag_seconds:.1f} s", _owners(one))
        for one in followers
    ]
    print_table(
        console,
        ("follower", "lag", "waiting", "held by"),
        rows,
        numbers=("lag", "waiting"),
        wraps=("held by",),
        optional=("waiting", "held by"),
        title="Followers",
    )


def _owners(follower: FollowerStatus) -> str:
    owners = sorted(follower.owners.items())
    return "\n".join(f"{printable(owner)}: {ranges(parts)}" for owner, parts in owners)


def _warnings(follower: FollowerStatus) -> Iterator[str]:
    name = follower.name
    if follower.unheld:
        yield f"{name}: no consumer folds the partitions {ranges(follower.unheld)}"
    for reason, parts in sorted(follower.paused.items()):
        yield f"{name}: the partitions {ranges(parts)} are paused: {printable(reason)}"
    if follower.parked:
        yield f"{name}: parked entities: {follower.parked:,}; `foldline parked` lists them"
