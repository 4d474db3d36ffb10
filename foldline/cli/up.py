"""`foldline up`: everything, in one directory."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from foldline.embedded.stack import Stack
from runtime.problems import Problem
from runtime.process.redact import without_credentials
from runtime.settings import Settings


def up(
    *,
    data_dir: Annotated[
        Path | None, typer.Option(help="FOLDLINE_DATA_DIR: where everything is kept.")
    ] = None,
    ephemeral: Annotated[
        bool, typer.Option("--ephemeral", help="Use a temporary directory instead.")
    ] = False,
    consumers: Annotated[int | None, typer.Option(help="FOLDLINE_CONSUMERS: consumer processes.")] = None,
    host: Annotated[str | None, typer.Option(help="FOLDLINE_HOST: address to listen on.")] = None,
    api_port: Annotated[int | None, typer.Option(help="FOLDLINE_API_PORT; 0 picks a free one.")] = None,
    jobs_port: Annotated[int | None, typer.Option(help="FOLDLINE_JOBS_PORT; 0 picks a free one.")] = None,
    sidecar_port: Annotated[
        int | None, typer.Option(help="FOLDLINE_SIDECAR_PORT; 0 picks a free one.")
    ] = None,
    daemon_port: Annotated[int | None, typer.Option(help="FOLDLINE_DAEMON_PORT; 0 picks a free one.")] = None,
    nats_port: Annotated[int | None, typer.Option(help="FOLDLINE_NATS_PORT; 0 picks a free one.")] = None,
    nats_monitor_port: Annotated[
        int | None, typer.Option(help="FOLDLINE_NATS_MONITOR_PORT; likewise.")
    ] = None,
    sites: Annotated[
        str | None,
        typer.Option(
            help="Names such as fab1,fab2: these sites and their centre. Site i has all ports plus i."
        ),
    ] = None,
    central_port: Annotated[
        int | None, typer.Option(help="FOLDLINE_CENTRAL_PORT; 0 picks a free one.")
    ] = None,
    servers_only: Annotated[
        bool,
        typer.Option("--servers-only", help="No consumers and no API: for commands that mend something."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line when ready.")] = False,
) -> None:
    """Run NATS, PostgreSQL, consumers and the API until Ctrl-C. Other settings: FOLDLINE_*."""
    try:
        from foldline.sites import site_names  # noqa: PLC0415 - needs what only the `embedded` extra installs
        from foldline.up import up as run_up  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as exc:
        raise Problem(f"no {exc.name}: install foldline[embedded]") from exc

    given: dict[str, Any] = {
        "data_dir": data_dir,
        "consumers": consumers,
        "host": host,
        "api_port": api_port,
        "jobs_port": jobs_port,
        "sidecar_port": sidecar_port,
        "daemon_port": daemon_port,
        "central_port": central_port,
        "nats_port": nats_port,
        "nats_monitor_port": nats_monitor_port,
    }
    given = {key: value for key, value in given.items() if value is not None}
    progress = Console(stderr=True, highlight=False)

    def ready(stacks: Sequence[Stack], directory: Path) -> None:
        shown = [_shown(stack) for stack in stacks]
        if as_json:
            told = [stack.model_dump(mode="json", exclude_none=True) for stack in shown]
            typer.echo(json.dumps({"centre": told[0], "sites": told[1:]} if sites else told[0]))
            return
        for stack in shown:
            _show(stack, directory / (stack.site or ""))
        Console(highlight=False).print("ready")

    run_up(
        Settings(**given),
        sites=site_names(sites) if sites is not None else (),
        ephemeral=ephemeral,
        overrides={f"FOLDLINE_{key.upper()}": str(value) for key, value in given.items()},
        say=lambda line: progress.print(line, soft_wrap=True, markup=False),
        ready=ready,
        servers_only=servers_only,
    )


def _shown(stack: Stack) -> Stack:
    """Without passwords: those are in run/stack.json, which only its owner may read."""
    return stack.model_copy(
        update={
            "nats_url": without_credentials(stack.nats_url),
            "database_url": without_credentials(stack.database_url),
        }
    )


def _show(stack: Stack, directory: Path) -> None:
    told = {
        "Site": stack.site,
        "API": stack.api_url,
        "Jobs": stack.jobs_url,
        "Jobs of all sites": stack.central_url,
        "Sidecar": stack.sidecar_url,
        "Session daemon": stack.daemon_url,
        "NATS": stack.nats_url,
        "NATS monitoring": stack.nats_monitor_url or "-",
        "PostgreSQL": stack.database_url,
        "Data": str(directory),
    }
    rows = {name: value for name, value in told.items() if value is not None}
    console = Console(highlight=False)
    # An address cut at 80 columns cannot be copied: a narrow terminal may wrap it instead.
    console.width = max(console.width, max(map(len, rows.values())) + 24)
    table = Table(show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)
