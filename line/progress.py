"""Progress of projections: announced on core NATS after each commit, awaited by readers of their own writes.

The announcement is a hint that saves polling. Where it is missed (lost message, a young process), the lease
rows in PostgreSQL answer, asked again with growing pauses.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import psycopg
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from pydantic_core import from_json, to_json

from line.rejections import MOST_ANNOUNCED, Rejections
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries
from schemas.positions import Position
from schemas.validation import InvalidFact

_QUERIES: Final = engine_queries()
_FIRST_POLL: Final = 0.05
_SLOWEST_POLL: Final = 0.5


def subject(follower: str) -> str:
    """The subject of a follower's announcements: `{"reached": …, "rejected": …}`, or null to begin anew."""
    return f"progress.{follower}"


async def announce(
    nc: Client,
    follower: str,
    reached: Mapping[int, Mapping[str, int]],
    rejected: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Tell those who wait, after a commit, how far each partition now is. Best effort.

    `reached`: partition → stream → sequence. `rejected`: stream → sequences of events without effect.
    """
    message: dict[str, Any] = {"reached": reached}
    if rejected:
        message["rejected"] = {stream: sequences[:MOST_ANNOUNCED] for stream, sequences in rejected.items()}
    with contextlib.suppress(Error):
        await nc.publish(subject(follower), to_json(message))


async def announce_anew(nc: Client, follower: str) -> None:
    """Announce that a follower begins anew: positions known so far are void. Raises nats' Error."""
    await nc.publish(subject(follower), b"null")
    await nc.flush()


class Progress:
    """The newest known position of every partition, and a way to wait for one and for what became of it."""

    def __init__(self, nc: Client, pool: AsyncConnectionPool[Connection]) -> None:
        self._nc = nc
        self._pool = pool
        self._reached: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._rejections: defaultdict[str, Rejections] = defaultdict(Rejections)
        self._changed: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._subscribed = False

    async def start(self) -> None:
        """Subscribe to the announcements of all projections, once however often this is called."""
        if not self._subscribed:
            await self._nc.subscribe(subject("*"), cb=self._on_announcement)
            self._subscribed = True

    async def wait(self, projection: str, positions: Sequence[Position], timeout: float) -> bool:
        """Wait until `projection` has folded all `positions`; False after `timeout` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        pause = _FIRST_POLL
        next_poll = loop.time() + pause
        while not self.has_passed(projection, positions):
            if loop.time() >= deadline:
                return False
            if loop.time() >= next_poll:
                await self._ask(projection, {position.partition for position in positions})
                pause = min(pause * 2, _SLOWEST_POLL)
                next_poll = loop.time() + pause
                continue
            # Announcements of other partitions wake us as well and must not put off the next poll.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(next_poll, deadline)):
                    await self._changed[projection].wait()
        return True

    def has_passed(self, projection: str, positions: Iterable[Position]) -> bool:
        """Whether every position is known to be folded."""
        reached = self._reached[projection]
        return all(reached.get(f"{p.stream}/{p.partition}", -1) >= p.sequence for p in positions)

    async def rejections(self, projection: str, positions: Sequence[Position]) -> dict[Position, InvalidFact]:
        """Return why the projection rejected facts at positions that it passed, as far as is known."""
        return await self._rejections[projection].why(self._pool, projection, positions)

    async def _on_announcement(self, message: Msg) -> None:
        projection = message.subject.rpartition(".")[2]
        announced: dict[str, Any] | None = from_json(message.data)
        if announced is None:
            self._reached.pop(projection, None)
            self._rejections.pop(projection, None)
            return
        known, rejections = self._reached[projection], self._rejections[projection]
        rejections.note(announced.get("rejected", {}))
        for part, sequences in announced["reached"].items():
            reached = [(f"{stream}/{part}", sequence) for stream, sequence in sequences.items()]
            rejections.note_unannounced(one for one in reached if one[0] not in known)
            self._note(projection, reached)
        self._tell(projection)

    async def _ask(self, projection: str, partitions: set[int]) -> None:
        try:
            async with self._pool.connection(timeout=1) as conn:
                cursor = await conn.execute(
                    _QUERIES["folded-sequences"], {"follower": projection, "parts": sorted(partitions)}
                )
                reached = await cursor.fetchall()
                known = self._reached[projection]
                self._rejections[projection].note_unannounced(
                    one for one in reached if one[1] > known.get(one[0], -1)
                )
                self._note(projection, reached)
                self._tell(projection)
        except (psycopg.Error, PoolTimeout):
            return  # the caller's bound decides how long an absent database is waited for

    def _note(self, projection: str, reached: Iterable[tuple[str, int]]) -> None:
        known = self._reached[projection]
        for key, sequence in reached:
            if sequence > known.get(key, -1):
                known[key] = sequence

    def _tell(self, projection: str) -> None:
        # Everyone waiting looks again; the next wait needs a fresh event.
        self._changed.pop(projection, asyncio.Event()).set()
