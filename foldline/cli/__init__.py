"""The `foldline` command. A command's module is imported when it is the one called."""

import importlib
import inspect
import os
import re
import select
import sys
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup

from runtime.problems import Problem, SettingsProblem

if TYPE_CHECKING:
    from pydantic import ValidationError

# Command → the module with a function or group of that name (`-` as `_`), in the order of --help.
COMMANDS = {
    "up": "foldline.cli.up",
    "api": "foldline.cli.processes",
    "consumer": "foldline.cli.processes",
    "sidecar": "foldline.cli.processes",
    "central": "foldline.cli.processes",
    "publish": "foldline.cli.publish",
    "tail": "foldline.cli.tail",
    "demo": "foldline.cli.demo",
    "status": "foldline.cli.status",
    "projections": "foldline.cli.projections",
    "rebuild": "foldline.cli.rebuild",
    "verify": "foldline.cli.verify",
    "put-back": "foldline.cli.rebuild",
    "drop": "foldline.cli.projections",
    "cancel": "foldline.cli.projections",
    "reactors": "foldline.cli.reactors",
    "pause": "foldline.cli.pause",
    "resume": "foldline.cli.pause",
    "parked": "foldline.cli.parked",
    "rejected": "foldline.cli.rejected",
    "line": "foldline.cli.line",
    "accept-line": "foldline.cli.accept_line",
    "asyncapi": "foldline.cli.asyncapi",
    "openapi": "foldline.cli.openapi",
}


class _LazyGroup(TyperGroup):
    """Imports a command when it is called: `foldline tail` does not pay for what `foldline up` imports."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str):  # type: ignore[no-untyped-def,override]
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name])
        found = getattr(module, cmd_name.replace("-", "_"))
        group = isinstance(found, typer.Typer)
        if not group:
            single = typer.Typer(add_completion=False)
            single.command(cmd_name)(found)
        command = typer.main.get_command(found if group else single)
        command.name = cmd_name
        for described in (command, *getattr(command, "commands", {}).values()):
            described.help = _paragraphs(described.help or "")
        return command


def _paragraphs(text: str) -> str:
    """A docstring as help: only paragraphs break lines, so that it fits any terminal."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(text))


app = typer.Typer(cls=_LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _foldline() -> None:
    """One durable line of events; every read model is a fold over it."""


def main() -> None:
    """Run a command. A Problem is one line on stderr and exit code 1; wrong or unknown settings, exit code 2.

    Nobody is told when who reads our output has read enough, as `head` does: that is no failure.
    """
    output = _output()
    try:
        app()
    except SystemExit as exc:
        if exc.code == 1 and _has_left(output):
            sys.exit(0)
        raise
    except Problem as problem:
        _print_error(str(problem), problem.details)
        sys.exit(2 if isinstance(problem, SettingsProblem) else 1)
    except ValueError as exc:
        from pydantic import ValidationError  # noqa: PLC0415 - only a failure needs it

        if not isinstance(exc, ValidationError) or not exc.title.endswith("Settings"):
            raise
        _print_error(_settings_line(exc))
        sys.exit(2)
    except RuntimeError as exc:
        if isinstance(exc.__cause__, KeyboardInterrupt):  # Ctrl-C while a class was being made by an import
            sys.exit(130)
        raise
    except KeyboardInterrupt:
        sys.exit(130)


def _output() -> int | None:
    """Another descriptor of standard output: the libraries that print replace it once nobody reads it."""
    try:
        return os.dup(1)
    except OSError:
        return None


def _has_left(output: int | None) -> bool:
    """Whether standard output is a pipe that nobody reads any longer."""
    if output is None:
        return False
    poll = select.poll()
    poll.register(output, select.POLLERR)
    return bool(poll.poll(0))


def _print_error(line: str, details: tuple[str, ...] = ()) -> None:
    typer.echo(f"foldline: {line}", err=True)
    for detail in details:
        typer.echo(f"  {detail}", err=True)


def _settings_line(exc: "ValidationError") -> str:
    wrong = (
        f"FOLDLINE_{'_'.join(map(str, error['loc'])).upper()}: {error['msg'].removeprefix('Value error, ')}, "
        f"not {error['input']!r}"
        for error in exc.errors()
    )
    return "; ".join(wrong)
