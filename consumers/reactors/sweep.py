"""The sweep: `expired` facts leave the line when nobody needs them any more.

Expiry purges what came before such a fact and leaves the fact, so that every generation reads it. It may go
when the purge is done and every lease row is past it: those of the live generation, of one being built or
verified with, of the one kept to be put back, and of every reactor. A generation begun later finds nothing of
the session.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from nats.aio.client import Client

from consumers.follower import NotYet
from consumers.reactors.expiry import DURABLE
from consumers.reactors.periodic import QUERIES
from projections.sessions.retention import rejected_among
from runtime import metrics
from runtime.line import api
from runtime.postgres import Connection
from schemas.facts import EXPIRED
from schemas.streams import SESSIONS
from schemas.subjects import PREFIX
from schemas.times import parse_time

logger = logging.getLogger("foldline.sweep")

MOST: Final = 1_000
EVERY: Final = 600.0
AGE: Final = timedelta(minutes=10)  # a verification excuses what expires while it begins
_NO_MESSAGE: Final = 10037
_NO_CONSUMER: Final = 10014
_GONE: Final = (10037, 10043)  # nothing there: somebody was quicker


class Sweep:
    """Removes `expired` facts older than `age`, at most `most` of a partition in a round.

    Rejected ones stay: they are in the read model, and a rebuild must find them.
    """

    def __init__(self, nc: Client, *, age: timedelta, most: int = MOST) -> None:
        self._nc = nc
        self._age = age
        self._most = most

    async def round(self, conn: Connection) -> int:
        """Look at every partition once; how many facts went. Raises NotYet, psycopg.Error."""
        # Before the leases: a generation that begins in between finds only what the purge has left.
        purged = await self._purged()
        row = await (await conn.execute(QUERIES["ago"], {"age": self._age})).fetchone()
        if row is None or not purged:
            return 0
        count = 0
        folded = await conn.execute(QUERIES["folded-by-all"], {"stream": SESSIONS.name})
        for part, sequence in await folded.fetchall():
            found = await self._find(part, min(sequence, purged), row[0])
            for gone in sorted(set(found) - await rejected_among(conn, found)):
                await self._remove(gone)
                count += 1
        metrics.SWEPT.inc(count)
        if count:
            logger.info("%d expired facts removed", count)
        return count

    async def _purged(self) -> int:
        """Up to where expiry has acted on every `expired` fact; 0 before it ever ran."""
        answer = await api(self._nc, f"CONSUMER.INFO.{SESSIONS.name}.{DURABLE}")
        if error := answer.get("error"):
            if error.get("err_code") == _NO_CONSUMER:
                return 0
            raise NotYet(f"cannot see how far expiry is: {error.get('description', error)}")
        return int(answer["ack_floor"]["stream_seq"])

    async def _find(self, part: int, end: int, before: datetime) -> list[int]:
        """Sequences of a partition's `expired` facts up to `end` stored before a moment."""
        where = f"{PREFIX}.{part}.*.session.*.{EXPIRED}"
        found: list[int] = []
        while end and len(found) < self._most:
            request = {"seq": found[-1] + 1 if found else 1, "next_by_subj": where}
            answer = await api(self._nc, f"STREAM.MSG.GET.{SESSIONS.name}", request)
            if error := answer.get("error"):
                if error.get("err_code") == _NO_MESSAGE:
                    break
                raise NotYet(f"cannot read {SESSIONS.name}: {error.get('description', error)}")
            message = answer["message"]
            if message["seq"] > end or parse_time(message["time"]) >= before:
                break
            found.append(int(message["seq"]))
        return found

    async def _remove(self, sequence: int) -> None:
        answer = await api(
            self._nc, f"STREAM.MSG.DELETE.{SESSIONS.name}", {"seq": sequence, "no_erase": True}
        )
        if error := answer.get("error"):
            if error.get("err_code") in _GONE:
                return
            raise NotYet(f"cannot remove {SESSIONS.name} {sequence}: {error.get('description', error)}")
