"""The state of each projection: generations, paused partitions, who folds it and how far it is behind."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

from nats.aio.client import Client

from line.status import FollowerStatus, read_status
from projections.generations import Generation, generations
from projections.ownership import paused_partitions
from projections.projection import Projection
from runtime.database.connections import Connection
from schemas.times import format_time

_SHOWN_ABOVE: Final = ("name", "paused")  # fields of a follower that its projection already shows


@dataclass(frozen=True, slots=True)
class Overview:
    """One projection. `version`: which one this program folds; `paused`: reason → partitions."""

    name: str
    version: int
    generations: list[Generation]
    paused: dict[str, list[int]]
    follower: FollowerStatus

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        follower = {name: value for name, value in asdict(self.follower).items() if name not in _SHOWN_ABOVE}
        listed = [asdict(one) | {"began_at": format_time(one.began_at)} for one in self.generations]
        return asdict(self) | {"generations": listed, "follower": follower}


async def overview(
    nc: Client, conn: Connection, projections: Iterable[Projection[Any, Any]]
) -> list[Overview]:
    """The projections that are installed. Raises StreamUnavailable, psycopg.Error."""
    followers = {follower.name: follower for follower in (await read_status(nc, conn)).followers}
    return [
        Overview(
            projection.name,
            projection.version,
            sorted((await generations(conn, projection.name)).values(), key=lambda one: -one.number),
            dict(await paused_partitions(conn, projection.name)),
            followers[projection.name],
        )
        for projection in projections
        if projection.name in followers
    ]
