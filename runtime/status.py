"""What runs and how far it is: streams, followers, who holds which partition, lag."""

from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from nats.aio.client import Client

from runtime.lag import Lag, measure
from runtime.line import api
from runtime.postgres import Connection
from runtime.sql import load_queries
from schemas.streams import STREAMS

_QUERIES: Final = load_queries("runtime", "status.sql", schema="foldline")


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One stream as the server reports it. Sizes in bytes."""

    name: str
    messages: int
    bytes: int
    first_sequence: int
    last_sequence: int
    replicas: int


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """A projection or following reactor: partitions by owner, those nobody holds, and lag by stream."""

    name: str
    owners: dict[str, list[int]]
    unheld: list[int]
    lag_events: dict[str, int]
    lag_seconds: float


@dataclass(frozen=True, slots=True)
class Status:
    """The whole line at one moment."""

    streams: list[StreamStatus]
    followers: list[FollowerStatus]

    def as_json(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        return asdict(self)


async def read_status(nc: Client, conn: Connection) -> Status:
    """Ask the line and the database. Raises LookupError when a stream does not answer, psycopg.Error."""
    streams = [await _stream(nc, stream.name) for stream in STREAMS]
    leases = await (await conn.execute(_QUERIES["leases"])).fetchall()
    by_follower: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for follower, *lease in leases:
        by_follower[follower].append(tuple(lease))
    return Status(streams, [await _follower(nc, name, rows) for name, rows in by_follower.items()])


async def _stream(nc: Client, name: str) -> StreamStatus:
    info = await api(nc, f"STREAM.INFO.{name}")
    if error := info.get("error"):
        raise LookupError(f"stream {name}: {error.get('description', error)}")
    state = info["state"]
    replicas = info["config"]["num_replicas"]
    return StreamStatus(
        name, state["messages"], state["bytes"], state["first_seq"], state["last_seq"], replicas
    )


async def _follower(nc: Client, name: str, leases: list[tuple[Any, ...]]) -> FollowerStatus:
    owners: defaultdict[str, list[int]] = defaultdict(list)
    unheld = []
    for part, owner, live, _, _ in leases:
        if owner and live:
            owners[owner].append(part)
        else:
            unheld.append(part)
    lags: dict[str, Lag] = {}
    for stream in STREAMS:
        checkpoints = {part: seqs.get(stream.name, 0) for part, _, _, seqs, _ in leases}
        lags[stream.name] = await measure(nc, stream.name, checkpoints)
    now = datetime.now(UTC)
    return FollowerStatus(
        name,
        dict(owners),
        unheld,
        {stream: lag.events for stream, lag in lags.items()},
        round(max((lag.seconds(now) for lag in lags.values()), default=0.0), 3),
    )
