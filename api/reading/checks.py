"""Checks of what the routes of a process read from, for `/ready` and `/v1/healthz`."""

from collections.abc import Iterable
from typing import Any

from nats.aio.client import Client

from api.reading.reader import Reader
from line.identity import changed_streams
from line.lost_facts import LostFacts
from line.problems import StreamUnavailable
from projections.ownership import held_partitions, parked_count, paused_partitions
from projections.projection import Projection
from runtime.http.errors import HttpProblem
from runtime.readiness import Check
from schemas.streams import Stream


def identity_check(reader: Reader, nc: Client, streams: Iterable[Stream]) -> Check:
    """Check that streams are those the read models were folded from.

    While NATS or PostgreSQL is away they cannot be compared; the checks of those say so.
    """

    names = {stream.name for stream in streams}

    async def check() -> str | None:
        try:
            found = await reader.read(lambda conn: changed_streams(nc, conn))
        except (StreamUnavailable, HttpProblem):
            return None
        return "; ".join(str(one) for one in found if one.stream in names) or None

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


def cut_note(reader: Reader, nc: Client, projection: Projection[Any, Any]) -> Check:
    """Note that the event stream lost what a read model shows, though no retention removed it."""

    async def check() -> str | None:
        partitions = reader.settings.partitions
        if not nc.is_connected:
            return None
        try:
            found = await reader.read(lambda conn: LostFacts(nc, conn, projection, partitions).cuts())
        except (StreamUnavailable, HttpProblem):
            return None
        return "; ".join(map(str, found)) or None

    return check
