"""Arguments and options that several commands take."""

from typing import Annotated

import typer

from schemas.registry import DECLARED

Projection = Annotated[
    str, typer.Argument(metavar="PROJECTION", help="Name of the projection, such as sessions.")
]
ParkedId = Annotated[str, typer.Argument(metavar="ID", help="Id of the parked entity.")]
EntitySite = Annotated[
    str | None, typer.Option(metavar="NAME", help="Site of the entity; default: FOLDLINE_SITE.")
]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="The reason, for whoever looks at it later.")]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Print progress and result as lines of JSON.")]

KNOWN_FACTS = "Facts: " + "; ".join(
    f"{entity}: {', '.join(fact.name for fact in family.facts)}"
    for entity, family in DECLARED.families.items()
)
"""The facts there are, for the help of commands that take subjects."""

Workers = Annotated[
    int | None,
    typer.Option(min=1, max=64, help="Number of processes that fold; default: FOLDLINE_REBUILD_WORKERS."),
]
