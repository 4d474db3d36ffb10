"""`foldline up`: everything, in one directory."""

import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from foldline.embedded.running_stack import Stack
from foldline.settings import Settings, read_settings
from foldline.surfaces import SURFACES, surfaces_with_ports
from runtime.problems import Problem
from runtime.process.redact import without_credentials
from runtime.settings.base import variable


def _port(setting: str) -> Any:
    return Annotated[
        int | None, typer.Option(metavar="PORT", help=f"{variable(setting)}; 0 picks a free port.")
    ]


def _with_port_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for the port of each surface and server, beside its own."""
    settings = [surface.port_setting for surface in surfaces_with_ports(SURFACES)]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_port(name))
        for name in (*settings, "nats_port", "nats_monitor_port")
    ]
    signature = inspect.signature(command)
    own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    command.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    command.__annotations__ |= {one.name: one.annotation for one in added}
    return command


@_with_port_options
def up(
    *,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIRECTORY", help="FOLDLINE_DATA_DIR: keeps all data and logs.")
    ] = None,
    ephemeral: Annotated[
        bool, typer.Option("--ephemeral", help="Use a temporary directory, removed at the end.")
    ] = False,
    consumers: Annotated[
        int | None, typer.Option(metavar="N", help="FOLDLINE_CONSUMERS: number of consumer processes.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="FOLDLINE_HOST: address to listen on.")
    ] = None,
    sites: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Run several sites and their centre, such as fab1,fab2; the first has all ports plus 1, "
            "the second plus 2, and so on.",
        ),
    ] = None,
    servers_only: Annotated[
        bool,
        typer.Option(
            "--servers-only", help="Start no consumers and no API, for commands that put the line right."
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON with all addresses when ready.")
    ] = False,
    **ports: int | None,
) -> None:
    """Run NATS, PostgreSQL, consumers, the APIs and the sidecar in one directory until Ctrl-C.

    Other settings are variables, FOLDLINE_*.
    """
    try:
        from foldline.sites import site_names  # noqa: PLC0415 - needs what only the `embedded` extra installs
        from foldline.up import up as run_up  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as exc:
        raise Problem(f"the Python package {exc.name} is missing: install foldline[embedded]") from exc

    given: dict[str, Any] = {"data_dir": data_dir, "consumers": consumers, "host": host, **ports}
    given = {key: value for key, value in given.items() if value is not None}
    progress = Console(stderr=True, highlight=False)

    def ready(stacks: Sequence[Stack], directory: Path) -> None:
        shown = [_without_passwords(stack) for stack in stacks]
        if as_json:
            addresses = [stack.as_json() for stack in shown]
            typer.echo(
                json.dumps({"centre": addresses[0], "sites": addresses[1:]} if sites else addresses[0])
            )
            return
        for stack in shown:
            _show(stack, directory / (stack.site or ""))
        typer.echo("ready; Ctrl-C stops everything")

    run_up(
        read_settings(Settings, **given),
        sites=site_names(sites) if sites is not None else (),
        ephemeral=ephemeral,
        overrides={variable(key): str(value) for key, value in given.items()},
        say=lambda line: progress.print(line, soft_wrap=True, markup=False),
        ready=ready,
        servers_only=servers_only,
    )


def _without_passwords(stack: Stack) -> Stack:
    """The stack for anybody to see; passwords are in run/stack.json, which only its owner may read."""
    return stack.model_copy(
        update={
            "nats_url": without_credentials(stack.nats_url),
            "database_url": without_credentials(stack.database_url),
        }
    )


def _show(stack: Stack, directory: Path) -> None:
    """Print the addresses, each whole on a line of its own so that it can be copied."""
    addresses = {
        "Site": stack.site,
        **{surface.label: stack.url(surface) for surface in SURFACES},
        "NATS": stack.nats_url,
        "NATS monitoring": stack.nats_monitor_url or "-",
        "PostgreSQL": stack.database_url,
        "Data": str(directory),
    }
    typer.echo()
    for name, address in addresses.items():
        if address is not None:
            typer.echo(f"  {name:<18}{address}")
    typer.echo()
