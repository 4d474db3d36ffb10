"""`foldline rejected`: events that had no effect, why, and what to do about them."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import psycopg
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from foldline.cli.connections import bus, command_settings, database, printable, run, show_json
from foldline.rejected_control import PublishingRejectedControl
from producers.publishing.publisher import Publisher
from projections.catalogue import projections_of
from projections.rejected import RejectedEvents, RejectedPage
from runtime.database.connections import Connection
from runtime.problems import Problem
from schemas.positions import Position
from schemas.validation import InvalidFact

T = TypeVar("T")

Event = Annotated[
    str, typer.Argument(metavar="STREAM:SEQUENCE", help="For example SESSIONS:77, or SESSIONS/3:77.")
]
ProjectionName = Annotated[str | None, typer.Option("--projection", help="Only of this projection.")]
Reason = Annotated[str | None, typer.Option(help="Only with this reason.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Newest so many.")]
All = Annotated[bool, typer.Option("--all", help="Also those that were dismissed, with the reason.")]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]

rejected = typer.Typer(
    add_completion=False,
    help="Rejected events: published straight to NATS, not valid, and without any effect.",
)


@rejected.callback(invoke_without_command=True)
def _without_command(
    context: typer.Context,
    *,
    projection: ProjectionName = None,
    reason: Reason = None,
    limit: Limit = 50,
    everything: All = False,
    as_json: Json = False,
) -> None:
    # What people want to see first needs no word: the same as `list`.
    if context.invoked_subcommand is None:
        list_(projection, reason, limit, everything, as_json)


@rejected.command("list")
def list_(
    projection: ProjectionName = None,
    reason: Reason = None,
    limit: Limit = 50,
    everything: All = False,
    as_json: Json = False,
) -> None:
    """List them, newest first."""
    run(_list(projection, reason, limit, dismissed=everything, as_json=as_json))


@rejected.command()
def show(event: Event) -> None:
    """Print one with its headers and body, as JSON."""
    run(_show_one(*_place(event)))


@rejected.command()
def retry(
    event: Event,
    body: Annotated[
        Path | None, typer.Option(help="File with the corrected body; - reads standard input.")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="The right subject, if that was wrong.")] = None,
    time: Annotated[str | None, typer.Option(help="When it happened, RFC 3339, if that was wrong.")] = None,
    as_json: Json = False,
) -> None:
    """Publish one as a new fact, corrected; the rejected one is then dismissed."""
    corrected = None if body is None else sys.stdin.buffer.read() if str(body) == "-" else _read(body)
    run(_retry(*_place(event), corrected, subject, time, as_json=as_json))


@rejected.command()
def dismiss(
    event: Event,
    reason: Annotated[str, typer.Option(help="Why, for whoever finds it later.")],
) -> None:
    """Hide one from the list and the metrics."""
    run(_dismiss(*_place(event), reason))


@rejected.command()
def restore(event: Event) -> None:
    """Show a dismissed one again."""
    run(_restore(*_place(event)))


class _Lent:
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
            yield PublishingRejectedControl(_events(), _Lent(conn), nc, publisher)
        except psycopg.errors.UndefinedTable as exc:
            raise _not_installed() from exc
        except InvalidFact as exc:
            raise Problem(f"still not valid: {exc.error}: {exc.details}") from exc
        finally:
            await publisher.aclose()


async def _show_one(stream: str, sequence: int) -> None:
    async with _control() as control:
        show_json(await control.show(stream, sequence))


async def _retry(
    stream: str, sequence: int, body: bytes | None, subject: str | None, time: str | None, *, as_json: bool
) -> None:
    async with _control() as control:
        told = await control.retry(stream, sequence, subject=subject, body=body, time=time)
    if as_json:
        show_json(told)
    else:
        typer.echo(f"{told['position']}{'  (already there)' if told['duplicate'] else ''}")


async def _dismiss(stream: str, sequence: int, reason: str) -> None:
    async with _control() as control:
        await control.dismiss(stream, sequence, reason)
    typer.echo(f"{stream}:{sequence} is dismissed")


async def _restore(stream: str, sequence: int) -> None:
    async with _control() as control:
        await control.restore(stream, sequence)
    typer.echo(f"{stream}:{sequence} is listed again")


async def _list(
    projection: str | None, reason: str | None, limit: int, *, dismissed: bool, as_json: bool
) -> None:
    events = _events()
    if projection is not None and projection not in events.projections:
        raise Problem(f"no projection {projection!r}: known are {', '.join(events.projections)}")
    async with database(command_settings(database=True)) as conn:
        try:
            page = await events.page(
                conn, projection=projection, reason=reason, dismissed=dismissed, limit=limit
            )
        except psycopg.errors.UndefinedTable as exc:
            raise _not_installed() from exc
    if as_json:
        show_json({"items": page.items, "counts": page.counts})
    else:
        _show(page)


def _events() -> RejectedEvents:
    known = projections_of(command_settings().endpoints)
    return RejectedEvents({projection.name: projection.schema for projection in known})


def _not_installed() -> Problem:
    return Problem("no consumer has run on this database yet", "FOLDLINE_DATABASE_URL")


def _place(event: str) -> tuple[str, int]:
    stream, _, sequence = event.partition(":")
    try:
        place = Position.parse(event if "/" in stream else f"{stream}/0:{sequence}")
    except InvalidFact:
        raise Problem(f"{event!r} is not an event like SESSIONS:77 or SESSIONS/3:77") from None
    names = [one.name for one in command_settings().streams]
    if place.stream not in names:
        raise Problem(f"no stream {place.stream}: known are {', '.join(names)}")
    return place.stream, place.sequence


def _read(body: Path) -> bytes:
    try:
        return body.read_bytes()
    except OSError as exc:
        raise Problem(f"cannot read {body}: {exc.strerror}") from exc


def _show(page: RejectedPage) -> None:
    console = Console(highlight=False)
    if not page.items:
        console.print("no rejected events")
        return
    table = Table("stored", "stream", "sequence", "subject", "reason", "details", "dismissed")
    for item in page.items:
        cells = [item[name] for name in ("stored_at", "stream", "sequence", "subject", "reason", "details")]
        cells.append(item["dismissed"]["reason"] if item["dismissed"] else "")
        # Text, not markup: what is in brackets came from whoever published it.
        table.add_row(*(Text(printable(str(cell))) for cell in cells))
    console.print(table)
    total = sum(page.counts.values())
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(page.counts.items()))
    console.print(f"{len(page.items)} of {total} shown: {reasons}")
