"""Retention: a session that was silent for long enough expires, by a fact.

The read model proposes, the line decides: a session's last sign of life is the newest of the store times of
its newest fact and its newest heartbeat, and of the event times in its row. Whether it ended does not matter.
The fact expects that newest fact as the session's last one, so that a session touched meanwhile lives on.
A heartbeat is on another stream: one that is stored between the look and the fact does not stop the expiry.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from nats.aio.client import Client

from consumers.engine.handler import NotYet
from consumers.reactors.declaration import Periodic, PeriodicRun, Resources
from consumers.reactors.newest_messages import newest_fact, newest_heartbeat
from line.progress import Progress
from producers.publishing.publisher import Conflict, Publisher, PublishError
from projections.projection import Key
from projections.sessions.retention import silent_sessions
from runtime import metrics
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries
from schemas.facts import EXPIRED
from schemas.positions import Position
from schemas.sessions.expiry import expired
from schemas.sessions.streams import HEARTBEATS, SESSIONS

logger = logging.getLogger("foldline.retention")

_QUERIES: Final = engine_queries()
_PERIOD_S: Final = 600.0
_PAGE: Final = 100
_PAGE_WAIT_S: Final = 60.0  # how long the read model may take to pass a page's facts


class Retention:
    """Expires sessions that were silent for `age`, page by page, each once the read model has the last."""

    def __init__(
        self,
        nc: Client,
        publisher: Publisher,
        progress: Progress,
        *,
        partitions: int,
        age: timedelta,
        page: int = _PAGE,
    ) -> None:
        self._nc = nc
        self._publisher = publisher
        self._progress = progress
        self._partitions = partitions
        self._age = age
        self._page = page

    async def run(self, conn: Connection) -> int:
        """Expire all silent sessions; returns how many. Raises NotYet, psycopg.Error."""
        row = await (await conn.execute(_QUERIES["moment-ago"], {"age": self._age})).fetchone()
        return await self.expire(conn, row[0]) if row else 0

    async def expire(self, conn: Connection, before: datetime) -> int:
        """Expire what was silent since a moment; returns how many. Raises NotYet, psycopg.Error."""
        after, count = ("", ""), 0
        while keys := await silent_sessions(conn, before, after=after, most=self._page):
            positions = await self._expire(keys, before)
            count += len(positions)
            if positions:
                logger.info("%d sessions expired, %d in this run", len(positions), count)
                if not await self._progress.wait("sessions", positions, _PAGE_WAIT_S):
                    raise NotYet(
                        f"the sessions read model is more than {_PAGE_WAIT_S:g} s behind, "
                        f"the rest expires later"
                    )
            after = keys[-1]
        return count

    async def _expire(self, keys: Sequence[Key], before: datetime) -> list[Position]:
        outcomes = await asyncio.gather(
            *(self._expire_one(key, before) for key in keys), return_exceptions=True
        )
        positions = [outcome for outcome in outcomes if isinstance(outcome, Position)]
        metrics.EXPIRED.inc(len(positions))
        for outcome in outcomes:  # after the others were counted
            if isinstance(outcome, BaseException):
                raise outcome
        return positions

    async def _expire_one(self, key: Key, before: datetime) -> Position | None:
        newest = await newest_fact(self._nc, key, self._partitions)
        if newest is None or newest.fact == EXPIRED or newest.stored_at >= before:
            return None
        beat = await newest_heartbeat(self._nc, key, self._partitions)
        if beat is not None and beat.stored_at >= before:
            return None
        fact = expired(*key, newest.sequence, datetime.now(UTC))
        try:
            ack = await self._publisher.publish(fact, expected_last=newest.sequence)
        except Conflict:
            return None  # another fact was stored meanwhile
        except PublishError as exc:
            raise NotYet(f"cannot publish an expiry: {exc}") from exc
        return None if ack.duplicate else ack.position


def _run_of(resources: Resources) -> PeriodicRun:
    settings = resources.settings
    logger.info("sessions expire after %g days of silence", settings.session_retention_days)
    return Retention(
        resources.nc,
        resources.publisher,
        resources.progress,
        partitions=settings.partitions,
        age=timedelta(days=settings.session_retention_days),
    ).run


RETENTION: Final = Periodic(
    name="retention",
    about="publishes `expired` for sessions that gave no sign of life for too long",
    streams=(SESSIONS, HEARTBEATS),
    period_s=_PERIOD_S,
    setting="session_retention_days",
    make=_run_of,
)
