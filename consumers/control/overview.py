"""What there is of each projection: generations, pauses, who folds it, how far it is behind."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

from nats.aio.client import Client

from line.status import FollowerStatus, read_status
from projections.generations import Generation, generations
from projections.projection import Projection
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries

_TOLD: Final = ("name", "paused")  # by the projection itself

_QUERIES: Final = engine_queries()


@dataclass(frozen=True, slots=True)
class Overview:
    """One projection. `version` is the one this program folds; `paused` has the partitions by reason."""

    name: str
    version: int
    generations: list[Generation]
    paused: dict[str, list[int]]
    follower: FollowerStatus

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        follower = asdict(self.follower)
        return asdict(self) | {"follower": {name: follower[name] for name in follower if name not in _TOLD}}


async def overview(
    nc: Client, conn: Connection, projections: Iterable[Projection[Any, Any]]
) -> list[Overview]:
    """Those that are installed. Raises StreamUnavailable, psycopg.Error."""
    followers = {follower.name: follower for follower in (await read_status(nc, conn)).followers}
    return [
        Overview(
            projection.name,
            projection.version,
            sorted((await generations(conn, projection.name)).values(), key=lambda one: -one.number),
            await _paused(conn, projection.name),
            followers[projection.name],
        )
        for projection in projections
        if projection.name in followers
    ]


async def _paused(conn: Connection, follower: str) -> dict[str, list[int]]:
    reasons: defaultdict[str, list[int]] = defaultdict(list)
    async for part, reason in await conn.execute(_QUERIES["paused-partitions"], {"follower": follower}):
        reasons[reason].append(part)
    return dict(reasons)
