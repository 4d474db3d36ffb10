"""`foldline openapi`: every operation of a surface, for people and generators."""

import json
from typing import Annotated

import typer

from foldline.surfaces import SURFACES, surface_named

_NAMES = ", ".join(surface.name for surface in SURFACES)


def openapi(surface: Annotated[str, typer.Argument(help=f"One of {_NAMES}.")]) -> None:
    """Print the OpenAPI 3.1 document of a surface, as JSON; no server has to run."""
    found = surface_named(surface)
    from foldline.openapi_document import openapi_document  # noqa: PLC0415 - an unknown name needs no routes

    typer.echo(json.dumps(openapi_document(found), indent=2))
