"""`foldline line`: back up every stream of the server, and restore them."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal

from foldline.cli.connections import bus, command_settings, run, show_json
from foldline.cli.parameters import Json
from foldline.cli.tables import print_table
from line.backup import SavedStream, back_up, read_backup
from line.backup import restore as restore_streams

Directory = Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Directory of the backup.")]

line = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Back up all streams of the NATS server, and restore them.",
)


@line.command()
def backup(directory: Directory, as_json: Json = False) -> None:
    """Write all streams, with their consumers, into an empty directory.

    Events that are stored while it runs may be missing: stop whatever publishes to have them all.
    """
    run(_backup(directory, as_json=as_json))


@line.command()
def restore(directory: Directory, as_json: Json = False) -> None:
    """Create all streams of a backup, in FOLDLINE_STREAM_REPLICAS copies, on servers that have none.

    Sequences and store times stay. When it is interrupted, the same command continues.
    """
    run(_restore(directory, as_json=as_json))


async def _backup(directory: Path, *, as_json: bool) -> None:
    async with bus(command_settings()) as nc:
        _show(await back_up(nc, directory), f"backed up to {directory}", as_json=as_json)


async def _restore(directory: Path, *, as_json: bool) -> None:
    config = command_settings()
    async with bus(config) as nc:
        made = await restore_streams(nc, directory, replicas=config.stream_replicas)
    there = [name for name, is_made in made.items() if not is_made]
    done = f"restored from {directory}"
    if there:
        done += f", {len(there)} of them were there already, the same: {', '.join(there)}"
    _show(read_backup(directory), done, as_json=as_json)


def _show(saved: list[SavedStream], done: str, *, as_json: bool) -> None:
    if as_json:
        show_json({"streams": [{"name": one.name, "size": one.size, "state": one.state} for one in saved]})
        return
    rows = [
        (
            one.name,
            f"{one.state['messages']:,}",
            f"{one.state['first_seq']}-{one.state['last_seq']}" if one.state["messages"] else "-",
            decimal(one.size),
        )
        for one in saved
    ]
    console = Console(highlight=False)
    headers = ("stream", "messages", "sequences", "size")
    print_table(console, headers, rows, numbers=("messages", "size"), optional=("sequences", "size"))
    console.print(f"{len(saved)} streams are {done}", soft_wrap=True, markup=False)
