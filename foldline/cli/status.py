"""`foldline status`: streams, followers, lag."""

from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from foldline.cli.connections import bus, command_settings, database, run, show_json
from line.status import FollowerStatus, LineStatus, read_status
from runtime.problems import Problem


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Show streams, who folds which partitions, and how far each follower is behind."""
    run(_status(as_json))


async def _status(as_json: bool) -> None:
    config = command_settings(database=True)
    async with bus(config) as nc, database(config) as conn:
        try:
            found = await read_status(nc, conn)
        except psycopg.errors.UndefinedTable as exc:
            raise Problem("no consumer has run on this database yet", "FOLDLINE_DATABASE_URL") from exc
    if as_json:
        show_json(found.as_json())
    else:
        _show(found)


def _show(found: LineStatus) -> None:
    console = Console(highlight=False)
    streams = Table("stream", "messages", "size", "sequences", "replicas", title="Streams")
    for stream in found.streams:
        sequences = f"{stream.first_sequence}–{stream.last_sequence}"  # noqa: RUF001 - a range
        streams.add_row(
            stream.name, f"{stream.messages:,}", decimal(stream.bytes), sequences, str(stream.replicas)
        )
    console.print(streams)
    followers = Table("follower", "lag", "waiting", "held by", title="Followers")
    for follower in found.followers:
        events = sum(follower.lag_events.values())
        waiting = f"{follower.lag_seconds:.1f} s"
        followers.add_row(follower.name, f"{events:,} events", waiting, _held(follower))
    console.print(followers)
    for change in found.changed:
        console.print(Text(change, style="red"))


def _held(follower: FollowerStatus) -> str:
    lines = [f"{escape(owner)}: {_parts(parts)}" for owner, parts in sorted(follower.owners.items())]
    if follower.unheld:
        lines.append(f"[red]nobody: {_parts(follower.unheld)}[/red]")
    for reason, parts in sorted(follower.paused.items()):
        lines.append(f"[red]paused {_parts(parts)}: {escape(reason)}[/red]")
    if follower.parked:
        lines.append(f"[red]parked entities: {follower.parked:,}[/red]")
    return "\n".join(lines)


def _parts(parts: list[int]) -> str:
    return " ".join(map(str, parts))
