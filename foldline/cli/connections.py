"""Settings and connections of commands, pointed at the stack that runs in the data directory."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import typer

from foldline.embedded.running_stack import resolve
from foldline.settings import Commands, read_settings
from line.connection import close_bus, connect_bus
from runtime.compat.nats_client import BusClient
from runtime.database.connections import Connection, connect_with_retry
from runtime.problems import Problem
from runtime.settings.database import DatabaseSettings
from runtime.settings.line import LineSettings
from runtime.settings.processes import CommandSettings


def command_settings(model: type[CommandSettings] = Commands, *, database: bool = False) -> CommandSettings:
    """The settings with the addresses of the running stack; commands wait 3 s for servers, unless told."""
    found = resolve(read_settings(model), database=database)
    if "connect_timeout" in found.model_fields_set:
        return found
    return found.model_copy(update={"connect_timeout": 3.0})


def control_settings(workers: int | None) -> CommandSettings:
    """Return the settings of a command that folds, with as many worker processes as it was given."""
    config = command_settings(database=True)
    return config if workers is None else config.model_copy(update={"rebuild_workers": workers})


def run(command: Coroutine[Any, Any, None]) -> None:
    """Run a command's coroutine; Ctrl-C ends it quietly."""
    asyncio.run(command)


@asynccontextmanager
async def bus(config: LineSettings, *, publisher: bool = False) -> AsyncIterator[BusClient]:
    """A connection to NATS for the length of a command."""
    nc = await connect_bus(config, name="foldline-cli", publisher=publisher)
    try:
        yield nc
    finally:
        await close_bus(nc)


@asynccontextmanager
async def database(config: DatabaseSettings) -> AsyncIterator[Connection]:
    """A connection to PostgreSQL for the length of a command. Raises Problem when it has no read models."""
    async with await connect_with_retry(config, name="foldline-cli") as conn:
        row = await (await conn.execute("select to_regclass('foldline.generation')")).fetchone()
        if row is None or row[0] is None:
            raise Problem(
                "no consumer has run on this database yet: start one, or name another database",
                "FOLDLINE_DATABASE_URL",
            )
        yield conn


def printable(text: str) -> str:
    """Foreign text for a terminal: control characters and escape sequences become visible."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def show_json(value: Any) -> None:
    """Print one line of JSON."""
    typer.echo(json.dumps(value, default=str))


def ranges(numbers: list[int]) -> str:
    """Numbers in ascending order as short text, such as `0-7 9`."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][-1] + 1:
            found[-1][1:] = [number]
        else:
            found.append([number])
    return " ".join("-".join(map(str, one)) for one in found)
