"""`foldline rejected`: events that had no effect, and why."""

from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from foldline.cli.session import command_settings, database, printable, run, show_json
from projections.catalogue import PROJECTIONS
from projections.rejected import RejectedEvents, RejectedPage
from runtime.problems import Problem


def rejected(
    projection: Annotated[str | None, typer.Option(help="Only of this projection.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only with this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Newest so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """List rejected events, newest first: they were published straight to NATS and were not valid."""
    run(_rejected(projection, reason, limit, as_json))


async def _rejected(projection: str | None, reason: str | None, limit: int, as_json: bool) -> None:
    events = RejectedEvents({known.name: known.schema for known in PROJECTIONS})
    if projection is not None and projection not in events.projections:
        raise Problem(f"no projection {projection!r}: known are {', '.join(events.projections)}")
    async with database(command_settings(database=True)) as conn:
        try:
            page = await events.page(conn, projection=projection, reason=reason, limit=limit)
        except psycopg.errors.UndefinedTable as exc:
            raise Problem("no consumer has run on this database yet", "FOLDLINE_DATABASE_URL") from exc
    if as_json:
        show_json({"items": page.items, "counts": page.counts})
    else:
        _show(page)


def _show(page: RejectedPage) -> None:
    console = Console(highlight=False)
    if not page.items:
        console.print("no rejected events")
        return
    table = Table("stored", "stream", "sequence", "subject", "reason", "details")
    for item in page.items:
        cells = (item[name] for name in ("stored_at", "stream", "sequence", "subject", "reason", "details"))
        # Text, not markup: what is in brackets came from whoever published it.
        table.add_row(*(Text(printable(str(cell))) for cell in cells))
    console.print(table)
    total = sum(page.counts.values())
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(page.counts.items()))
    console.print(f"{len(page.items)} of {total} shown: {reasons}")
