"""Expiry: an expired session's facts are purged from the line, after every projection has passed the fact.

A task reactor: a FastStream subscriber on a durable consumer, acknowledged after the purge. Order does not
matter and purging twice is purging once. The `expired` fact itself stays until the sweep: a generation that
folded half of the session before the purge still has to read that it is gone.
"""

import logging
from collections.abc import Callable
from typing import Final

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from nats.aio.client import Client
from nats.js.api import ConsumerConfig
from psycopg_pool import AsyncConnectionPool

from consumers.engine.handler import NotYet
from consumers.reactors.newest_messages import newest_heartbeat
from consumers.reactors.redelivery import ack_or_redeliver
from line.delivery import Delivery, parse_delivery
from line.jetstream import request_api
from line.progress import Progress
from projections.sessions.liveness import outlived
from runtime.database.connections import Connection
from schemas.positions import Position
from schemas.streams import HEARTBEATS, SESSIONS
from schemas.subjects import PREFIX, Subject, entity_filter, partition_of, published_form
from schemas.validation import InvalidFact

logger = logging.getLogger("foldline.expiry")

SUBJECT: Final = f"{PREFIX}.*.*.session.*.expired"
DURABLE: Final = "expiry"
_FOLLOWER_WAIT_S: Final = 5.0


class Expiry:
    """Purges expired sessions: facts below the `expired` one, and heartbeats stored before it."""

    def __init__(
        self, nc: Client, progress: Progress, pool: AsyncConnectionPool[Connection], *, partitions: int
    ) -> None:
        self._nc = nc
        self._progress = progress
        self._pool = pool
        self._partitions = partitions

    async def purge(self, subject: Subject, expired: Delivery) -> None:
        """Purge what was stored for the session until it expired. Raises NotYet while a follower needs it."""
        sequence = expired.sequence
        part = partition_of(subject.id, self._partitions)
        position = Position(SESSIONS.name, part, sequence)
        for follower in ("sessions", "liveness"):
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


def subscribe_expiry(broker: NatsBroker, expiry: Callable[[], Expiry]) -> None:
    """Register the reactor. `expiry` is called for each message, once the process is wired."""

    @broker.subscriber(
        SUBJECT,
        stream=JStream(SESSIONS.name, declare=False),
        durable=DURABLE,
        pull_sub=PullSub(batch_size=10, timeout=5.0),
        ack_policy=AckPolicy.MANUAL,
        config=ConsumerConfig(ack_wait=30, max_deliver=-1),
        title="session.expired",
        description="Purges an expired session from the line once every read model has passed it.",
    )
    async def purge_expired(message: NatsMessage) -> None:
        raw = message.raw_message
        try:
            subject = Subject.parse(published_form(raw.subject))
        except InvalidFact:
            await message.ack()  # the projector rejected it: no session has such an id
            return
        await ack_or_redeliver(message, lambda: expiry().purge(subject, parse_delivery(raw.reply)))
