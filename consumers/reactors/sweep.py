"""The sweep: `expired` facts leave the line when nobody needs them any more.

Expiry purges what came before such a fact and leaves the fact, so that every generation reads it. The sweep
removes it when every task reactor that reads it has acted, expiry above all, and every follower has passed
it: those of the live generation, of one being built or verified, of the old one that may be put back, and
every following reactor. A generation begun later finds nothing of the session.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from nats.aio.client import Client

from consumers.engine.handler import NotYet
from consumers.reactors.declaration import Periodic, PeriodicRun, Resources
from line.durables import Durable, find_durable
from line.jetstream import ErrorCode, has_code, request_api
from line.messages import next_message
from line.problems import StreamUnavailable
from projections.sessions.retention import rejected_among
from runtime import metrics
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries
from schemas.facts import EXPIRED
from schemas.sessions.streams import SESSIONS
from schemas.subjects import PREFIX

logger = logging.getLogger("foldline.sweep")

_QUERIES: Final = engine_queries()
_PERIOD_S: Final = 600.0
_AGE: Final = timedelta(minutes=10)  # a verification tolerates what expires while it begins
_MOST: Final = 1_000


class Sweep:
    """Removes `expired` facts older than `age`, at most `most` of each partition in one run.

    `tasks`: the durables of all task reactors that read them. Rejected facts stay: they are in the read
    model, and a rebuild must find them.
    """

    def __init__(self, nc: Client, tasks: Iterable[Durable], *, age: timedelta, most: int = _MOST) -> None:
        self._nc = nc
        self._tasks = tuple(tasks)
        self._age = age
        self._most = most

    async def run(self, conn: Connection) -> int:
        """Look at every partition once; returns how many facts were removed. Raises NotYet, psycopg.Error."""
        # Before the leases: a generation that begins in between finds only what the purge has left.
        acted = await self._acted()
        row = await (await conn.execute(_QUERIES["moment-ago"], {"age": self._age})).fetchone()
        if row is None or not acted:
            return 0
        count = 0
        folded = await conn.execute(_QUERIES["folded-by-all"], {"stream": SESSIONS.name})
        for part, sequence in await folded.fetchall():
            found = await self._find(part, min(sequence, acted), row[0])
            for gone in sorted(set(found) - await rejected_among(conn, found)):
                await self._remove(gone)
                count += 1
        metrics.SWEPT.inc(count)
        if count:
            logger.info("%d `expired` facts removed from the line", count)
        return count

    async def _acted(self) -> int:
        """The sequence up to which every task has acted; 0 before one of them ever ran."""
        try:
            found = [await find_durable(self._nc, task) for task in self._tasks]
        except StreamUnavailable as exc:
            raise NotYet(f"cannot see how far the tasks are: {exc}") from exc
        return min((state.ack_floor if state else 0 for state in found), default=0)

    async def _find(self, part: int, end: int, before: datetime) -> list[int]:
        """The sequences of a partition's `expired` facts up to `end` that were stored `before` a moment."""
        where = f"{PREFIX}.{part}.*.session.*.{EXPIRED}"
        found: list[int] = []
        while end and len(found) < self._most:
            start = found[-1] + 1 if found else 1
            try:
                message = await next_message(self._nc, SESSIONS.name, where, start)
            except StreamUnavailable as exc:
                raise NotYet(str(exc)) from exc
            if message is None or message.sequence > end or message.stored_at >= before:
                break
            found.append(message.sequence)
        return found

    async def _remove(self, sequence: int) -> None:
        answer = await request_api(
            self._nc, f"STREAM.MSG.DELETE.{SESSIONS.name}", {"seq": sequence, "no_erase": True}
        )
        if has_code(answer, ErrorCode.MESSAGE_NOT_FOUND, ErrorCode.SEQUENCE_NOT_FOUND):
            return  # somebody was quicker
        if error := answer.get("error"):
            raise NotYet(f"cannot remove {SESSIONS.name} {sequence}: {error.get('description', error)}")


def _run_of(resources: Resources) -> PeriodicRun:
    return Sweep(resources.nc, resources.tasks[f"session.{EXPIRED}"], age=_AGE).run


SWEEP: Final = Periodic(
    name="sweep",
    about="removes `expired` facts from the line that nobody needs any more",
    streams=(SESSIONS,),
    period_s=_PERIOD_S,
    make=_run_of,
)
