"""Checks of what a process depends on, for `/ready` and `/v1/healthz`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from nats.aio.client import Client

from api.reading.reader import Reader
from line.identity import changed_streams
from line.jetstream import request_api
from line.problems import StreamUnavailable
from projections.ownership import held_partitions, parked_count, paused_partitions
from runtime.http.errors import HttpProblem
from schemas.streams import Stream

_BOUND_S: Final = 2.0  # what one check may take

Check = Callable[[], Awaitable[str | None]]
"""Asks one dependency; answers None when all is well, else what is wrong."""


async def ask_all(checks: Mapping[str, Check]) -> dict[str, str | None]:
    """Ask every check at once, each in bounded time; by name, None where all is well."""
    return dict(zip(checks, await asyncio.gather(*map(_ask, checks.values())), strict=True))


async def _ask(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_BOUND_S):
            return await check()
    except TimeoutError:
        return f"no answer within {_BOUND_S:g} s"
    except HttpProblem as problem:
        return problem.details


def line_check(nc: Client, streams: Iterable[Stream]) -> Check:
    """Check that JetStream answers and has every stream."""
    names = [stream.name for stream in streams]

    async def check() -> str | None:
        if not nc.is_connected:
            return "not connected to NATS"
        for name in names:
            answer = await request_api(nc, f"STREAM.INFO.{name}", timeout=_BOUND_S / 2)
            if error := answer.get("error"):
                return f"stream {name}: {error.get('description', error)}"
        return None

    return check


def identity_check(reader: Reader, nc: Client) -> Check:
    """Check that the streams are those the read models were folded from."""

    async def check() -> str | None:
        try:
            found = await reader.read(lambda conn: changed_streams(nc, conn))
        except StreamUnavailable as exc:
            return exc.message
        return "; ".join(map(str, found)) or None

    return check


def database_check(reader: Reader) -> Check:
    """Check that PostgreSQL answers."""

    async def check() -> str | None:
        await reader.read(lambda conn: conn.execute("select 1"))
        return None

    return check


def projection_check(reader: Reader, projection: str) -> Check:
    """Check that PostgreSQL answers and every partition of the projection has a live owner."""

    async def check() -> str | None:
        partitions = reader.settings.partitions
        held = await reader.read(lambda conn: held_partitions(conn, projection))
        if held >= partitions:
            return None
        paused = await reader.read(lambda conn: paused_partitions(conn, projection))
        reasons = [f"paused {' '.join(map(str, parts))}: {reason}" for reason, parts in paused]
        return "; ".join([f"{held} of {partitions} partitions have a consumer", *reasons])

    return check


def parked_note(reader: Reader, projection: str) -> Check:
    """Note that entities are parked: their fold raised, and all others are served as ever."""

    async def check() -> str | None:
        count = await reader.read(lambda conn: parked_count(conn, projection))
        return f"parked entities: {count}; `foldline parked` lists them" if count else None

    return check
