"""`foldline asyncapi`: every subject and body of the line, for people and generators."""

import json
from importlib.metadata import version

import typer

from foldline.asyncapi import line_document
from foldline.cli.connections import command_settings


def asyncapi() -> None:
    """Print the AsyncAPI 3 document of all subjects and bodies, as JSON."""
    document = line_document(version("foldline"), command_settings().nats_url.split(",")[0])
    typer.echo(json.dumps(document, indent=2))
