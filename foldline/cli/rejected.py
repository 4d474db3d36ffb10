"""`foldline rejected`: events that had no effect, why, and what to do about them."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from foldline.cli.connections import bus, command_settings, database, run, show_json
from foldline.cli.groups import ListByDefault
from foldline.cli.parameters import Json, Reason
from foldline.cli.rejected_list import list_rejected, rejected_events
from foldline.rejected_control import PublishingRejectedControl
from producers.publishing.publisher import Publisher
from runtime.database.connections import Connection
from runtime.problems import Problem
from schemas.positions import Position
from schemas.validation import InvalidFact

T = TypeVar("T")

Event = Annotated[
    str, typer.Argument(metavar="EVENT", help="Stream and sequence, such as SESSIONS:77 or SESSIONS/3:77.")
]
OfProjection = Annotated[
    str | None, typer.Option("--projection", metavar="NAME", help="Only events this projection rejected.")
]
OfReason = Annotated[
    str | None, typer.Option("--reason", metavar="NAME", help="Only events rejected for this reason.")
]
ListLimit = Annotated[int, typer.Option(min=1, max=10_000, help="Most events that are listed.")]
All = Annotated[bool, typer.Option("--all", help="List dismissed events as well.")]

rejected = typer.Typer(
    cls=ListByDefault,
    add_completion=False,
    help="Rejected events: published straight to NATS, not valid, and therefore without effect.",
)


@rejected.command("list")
def list_(
    projection: OfProjection = None,
    reason: OfReason = None,
    limit: ListLimit = 50,
    everything: All = False,
    as_json: Json = False,
) -> None:
    """List rejected events, newest first; the default command."""
    run(list_rejected(projection, reason, limit, dismissed=everything, as_json=as_json))


@rejected.command()
def show(event: Event) -> None:
    """Print a rejected event with its headers and body, as JSON."""
    run(_show(*_stream_and_sequence(event)))


@rejected.command()
def retry(
    event: Event,
    body: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the corrected body; - reads standard input."),
    ] = None,
    subject: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The right subject, if that was wrong.")
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="WHEN", help="The right time (RFC 3339), if that was wrong.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish a rejected event as a new fact, with your corrections, and dismiss it."""
    corrected = None if body is None else sys.stdin.buffer.read() if str(body) == "-" else _read(body)
    run(_retry(*_stream_and_sequence(event), corrected, subject, time, as_json=as_json))


@rejected.command()
def dismiss(event: Event, reason: Reason) -> None:
    """Hide a rejected event from the list and the metrics."""
    run(_dismiss(*_stream_and_sequence(event), reason))


@rejected.command()
def restore(event: Event) -> None:
    """Show a dismissed event again."""
    run(_restore(*_stream_and_sequence(event)))


class _OneConnection:
    """The database of a command: one connection, for one query at a time."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    async def read(self, query: Callable[[Connection], Awaitable[T]]) -> T:
        return await query(self._conn)


@asynccontextmanager
async def _control() -> AsyncIterator[PublishingRejectedControl]:
    config = command_settings(database=True)
    async with bus(config, publisher=True) as nc, database(config) as conn:
        publisher = Publisher(nc, partitions=config.partitions, timeout=config.publish_timeout)
        try:
            yield PublishingRejectedControl(rejected_events(), _OneConnection(conn), nc, publisher)
        except InvalidFact as exc:
            raise Problem(f"the event is still not valid: {exc.code.summary}: {exc.details}") from exc
        finally:
            await publisher.aclose()


async def _show(stream: str, sequence: int) -> None:
    async with _control() as control:
        show_json(await control.show(stream, sequence))


async def _retry(
    stream: str, sequence: int, body: bytes | None, subject: str | None, time: str | None, *, as_json: bool
) -> None:
    async with _control() as control:
        retried = await control.retry(stream, sequence, subject=subject, body=body, time=time)
    if as_json:
        show_json(retried)
    else:
        typer.echo(f"{retried['position']}{'  (already there)' if retried['duplicate'] else ''}")


async def _dismiss(stream: str, sequence: int, reason: str) -> None:
    async with _control() as control:
        await control.dismiss(stream, sequence, reason)
    typer.echo(f"{stream}:{sequence} is dismissed")


async def _restore(stream: str, sequence: int) -> None:
    async with _control() as control:
        await control.restore(stream, sequence)
    typer.echo(f"{stream}:{sequence} is listed again")


def _stream_and_sequence(event: str) -> tuple[str, int]:
    stream, _, sequence = event.partition(":")
    try:
        position = Position.parse(event if "/" in stream else f"{stream}/0:{sequence}")
    except InvalidFact:
        raise Problem(
            f"{event[:100]!r} is not an event: name one like SESSIONS:77 or SESSIONS/3:77"
        ) from None
    names = [one.name for one in command_settings().streams]
    if position.stream not in names:
        raise Problem(f"no stream {position.stream}: known are {', '.join(names)}")
    return position.stream, position.sequence


def _read(body: Path) -> bytes:
    try:
        return body.read_bytes()
    except OSError as exc:
        raise Problem(f"cannot read {body}: {exc.strerror}") from exc
