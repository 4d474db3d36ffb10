"""`foldline line`: back up every stream of the server, and restore them."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from foldline.cli.connections import bus, command_settings, run, show_json
from line.backup import SavedStream, back_up
from line.backup import restore as restore_streams

Directory = Annotated[Path, typer.Argument(metavar="DIRECTORY", help="The backup's own directory.")]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]

line = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Back up the line and restore it: every stream the NATS server has.",
)


@line.command()
def backup(directory: Directory, as_json: Json = False) -> None:
    """Write every stream, with its consumers, into an empty directory.

    What is stored after a stream's turn is not in the backup: stop what publishes if nothing may be missing.
    """
    run(_backup(directory, as_json=as_json))


@line.command()
def restore(directory: Directory, as_json: Json = False) -> None:
    """Make every stream of a backup anew, in FOLDLINE_STREAM_REPLICAS copies, on servers without streams.

    Sequences and times stay. Interrupted, the same command goes on with the streams that are missing.
    """
    run(_restore(directory, as_json=as_json))


async def _backup(directory: Path, *, as_json: bool) -> None:
    async with bus(command_settings()) as nc:
        _show(await back_up(nc, directory), f"backed up to {directory}", as_json=as_json)


async def _restore(directory: Path, *, as_json: bool) -> None:
    config = command_settings()
    async with bus(config) as nc:
        saved = await restore_streams(nc, directory, replicas=config.stream_replicas)
    _show(saved, f"restored from {directory}", as_json=as_json)


def _show(saved: list[SavedStream], done: str, *, as_json: bool) -> None:
    if as_json:
        show_json({"streams": [{"name": one.name, "size": one.size, "state": one.state} for one in saved]})
        return
    table = Table("stream", "messages", "sequences", "size of the backup")
    for one in saved:
        sequences = f"{one.state['first_seq']}–{one.state['last_seq']}"  # noqa: RUF001 - a range
        table.add_row(one.name, f"{one.state['messages']:,}", sequences, decimal(one.size))
    console = Console(highlight=False)
    console.print(table)
    console.print(f"{len(saved)} streams are {done}", soft_wrap=True, markup=False)
