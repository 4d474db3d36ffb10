"""Groups of commands that list when they are called without one."""

import typer
from typer.core import TyperGroup


class ListByDefault(TyperGroup):
    """A group in which `foldline <group> [OPTIONS]` means `foldline <group> list [OPTIONS]`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        named = bool(args) and (args[0] == "--help" or not args[0].startswith("-"))
        return super().parse_args(ctx, args if named else ["list", *args])
