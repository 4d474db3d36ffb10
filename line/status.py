"""Status of the line: streams, followers, who holds which partition, lag."""

from collections import defaultdict
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from nats.aio.client import Client

from line.identity import changed_streams, followed_streams
from line.jetstream import stream_info
from line.lag import Lag, LagProbe, summed
from line.problems import StreamGone
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries

_QUERIES: Final = engine_queries()


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One stream as the server reports it. Sizes in bytes; one that is `gone` has none."""

    name: str
    messages: int
    bytes: int
    first_sequence: int
    last_sequence: int
    replicas: int
    gone: bool = False


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """A projection or following reactor: partitions by owner, those nobody holds, and lag by stream.

    `paused` has partitions by the reason why nobody may fold them; `parked` counts entities.
    """

    name: str
    owners: dict[str, list[int]]
    unheld: list[int]
    paused: dict[str, list[int]]
    parked: int
    lag_events: dict[str, int]
    lag_seconds: float


@dataclass(slots=True)
class FollowerDetails:
    """A follower as it was read; `checkpoints` and `lags` are by stream and partition.

    A stream that is gone has no lags.
    """

    name: str
    owners: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    unheld: list[int] = field(default_factory=list)
    paused: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    parked: int = 0
    checkpoints: defaultdict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    lags: dict[str, dict[int, Lag]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LineStatus:
    """The whole line at one moment."""

    streams: list[StreamStatus]
    followers: list[FollowerStatus]
    changed: list[str]  # streams that are not those the read models were folded from, and what to do

    def as_json(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        return asdict(self)


async def read_status(nc: Client, conn: Connection) -> LineStatus:
    """Ask the line and the database. Raises StreamUnavailable, psycopg.Error."""
    streams = [await _stream(nc, stream) for stream in await followed_streams(conn)]
    followers = [_status(one) for one in await read_followers(LagProbe(nc), conn)]
    return LineStatus(streams, followers, [str(one) for one in await changed_streams(nc, conn)])


async def _stream(nc: Client, name: str) -> StreamStatus:
    try:
        info = await stream_info(nc, name)
    except StreamGone:
        return StreamStatus(name, 0, 0, 0, 0, 0, gone=True)
    state = info["state"]
    replicas = info["config"]["num_replicas"]
    return StreamStatus(
        name, state["messages"], state["bytes"], state["first_seq"], state["last_seq"], replicas
    )


async def read_followers(meter: LagProbe, conn: Connection) -> list[FollowerDetails]:
    """Return all followers as they are now. Raises StreamUnavailable, psycopg.Error."""
    readings: dict[str, FollowerDetails] = {}
    cursor = await conn.execute(_QUERIES["lease-status"])
    for follower, part, owner, live, streams, seqs, paused in await cursor.fetchall():
        reading = readings.setdefault(follower, FollowerDetails(follower))
        if owner and live:
            reading.owners[owner].append(part)
        else:
            reading.unheld.append(part)
        if paused is not None:
            reading.paused[paused].append(part)
        for stream in streams:
            reading.checkpoints[stream][part] = seqs.get(stream, 0)
    schemas = {schema async for (schema,) in await conn.execute(_QUERIES["schemas-with-parked"])}
    for reading in readings.values():
        if reading.name in schemas:
            reading.parked = await _parked(conn, reading.name)
        for stream_name, checkpoints in reading.checkpoints.items():
            with suppress(StreamGone):  # whoever shows streams says it; the others are followed
                reading.lags[stream_name] = await meter.lags(stream_name, checkpoints)
    return list(readings.values())


async def _parked(conn: Connection, schema: str) -> int:
    query = engine_queries(schema)["count-parked"]
    try:
        row = await (await conn.execute(query)).fetchone()
    except psycopg.errors.UndefinedTable:  # dropped meanwhile
        return 0
    return int(row[0]) if row else 0


def _status(reading: FollowerDetails) -> FollowerStatus:
    now = datetime.now(UTC)
    lags = {stream: summed(parts.values()) for stream, parts in reading.lags.items()}
    return FollowerStatus(
        reading.name,
        dict(reading.owners),
        reading.unheld,
        dict(reading.paused),
        reading.parked,
        {stream: lag.events for stream, lag in lags.items()},
        round(max((lag.seconds(now) for lag in lags.values()), default=0.0), 3),
    )
