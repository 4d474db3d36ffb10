"""Expiry: an expired session's facts are purged from the line, after every follower has passed the fact.

A task reactor: order does not matter, and purging twice is purging once. The `expired` fact itself stays
until the sweep: a generation that folded half of the session before the purge still has to read that it is
gone.
"""

import logging
from collections.abc import Iterable
from typing import Final

from nats.aio.client import Client
from psycopg_pool import AsyncConnectionPool

from consumers.engine.handler import NotYet
from consumers.reactors.declaration import Act, Resources, Task
from consumers.reactors.newest_messages import newest_heartbeat
from line.jetstream import request_api
from line.progress import Progress
from line.raw_event import RawEvent
from projections.sessions.liveness import outlived
from runtime.database.connections import Connection
from schemas.positions import Position
from schemas.sessions.streams import HEARTBEATS, SESSIONS
from schemas.stored_subjects import entity_filter
from schemas.subjects import Subject

logger = logging.getLogger("foldline.expiry")

_FOLLOWER_WAIT_S: Final = 5.0


class Expiry:
    """Purges expired sessions: facts below the `expired` one, and heartbeats stored before it.

    `followers`: the names of all that have to pass the fact before.
    """

    def __init__(
        self,
        nc: Client,
        progress: Progress,
        pool: AsyncConnectionPool[Connection],
        *,
        followers: Iterable[str],
        partitions: int,
    ) -> None:
        self._nc = nc
        self._progress = progress
        self._pool = pool
        self._followers = tuple(followers)
        self._partitions = partitions

    async def purge(self, expired: RawEvent) -> None:
        """Purge what was stored for the session until it expired.

        Raises NotYet while a follower needs it, InvalidFact for a subject that names no session.
        """
        subject = Subject.parse_stored(expired.subject)
        sequence = expired.sequence
        position = Position(SESSIONS.name, expired.partition, sequence)
        for follower in self._followers:
            if not await self._progress.wait(follower, [position], _FOLLOWER_WAIT_S):
                raise NotYet(f"{follower} has not passed {position}")
        async with self._pool.connection() as conn:
            if await outlived(conn, (subject.site, subject.id), sequence):
                logger.warning("%s: the fact was rejected, nothing is purged", subject)
                return
        everything = entity_filter(subject.site, "session", subject.id, self._partitions)
        await self._purge(SESSIONS.name, {"filter": everything, "seq": sequence})  # excluding it
        newest = await newest_heartbeat(self._nc, (subject.site, subject.id), self._partitions)
        if newest is not None and newest.stored_at <= expired.stored_at:
            # Up to that one only: a heartbeat that arrives meanwhile belongs to what comes after.
            await self._purge(HEARTBEATS.name, {"filter": everything, "seq": newest.sequence + 1})
        logger.info("%s purged", subject)

    async def _purge(self, stream: str, request: dict[str, str | int]) -> None:
        answer = await request_api(self._nc, f"STREAM.PURGE.{stream}", dict(request))
        if not answer.get("success"):
            raise NotYet(f"cannot purge {stream}: {answer.get('error', answer)}")


def _purge_of(resources: Resources) -> Act:
    return Expiry(
        resources.nc,
        resources.progress,
        resources.pool,
        followers=resources.followers[SESSIONS.name],
        partitions=resources.settings.partitions,
    ).purge


EXPIRY: Final = Task(
    name="expiry",
    about="purges an expired session from the line once every read model has passed the fact",
    facts=("session.expired",),
    make=_purge_of,
)
