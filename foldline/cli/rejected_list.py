"""The list of rejected events that `foldline rejected` prints."""

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from foldline.cli.connections import command_settings, database, printable, show_json
from projections.catalogue import projection_named, projections_of
from projections.rejected import RejectedEvents, RejectedPage


def rejected_events() -> RejectedEvents:
    """The rejected events of the projections this installation has."""
    known = projections_of(command_settings().endpoints)
    return RejectedEvents({projection.name: projection.schema for projection in known})


async def list_rejected(
    projection: str | None, reason: str | None, limit: int, *, dismissed: bool, as_json: bool
) -> None:
    """Print rejected events, newest first. Raises Problem for an unknown projection."""
    config = command_settings(database=True)
    if projection is not None:
        projection_named(projection, config.endpoints)
    async with database(config) as conn:
        page = await rejected_events().page(
            conn, projection=projection, reason=reason, dismissed=dismissed, limit=limit
        )
    if as_json:
        show_json({"items": page.items, "counts": page.counts})
    else:
        _show(page)


def _show(page: RejectedPage) -> None:
    console = Console(highlight=False)
    if not page.items:
        console.print("no rejected events")
        return
    for item in page.items:
        event = f"{item['stream']}:{item['sequence']}"
        console.print(Text(f"{event}  {item['stored_at']}  {printable(item['reason'])}"))
        more = [item["subject"], item["details"]]
        more += [f"dismissed: {item['dismissed']['reason']}"] if item["dismissed"] else []
        for line in more:
            console.print(Padding(Text(printable(line)), (0, 0, 0, 4), expand=False))
    total = sum(page.counts.values())
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(page.counts.items()))
    console.print(Text(f"{len(page.items)} of {total} shown: {reasons}"))
