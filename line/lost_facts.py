"""Lost facts: what a read model knows and the line no longer holds, although no retention explains it.

A stream that was purged, or cut at its front, goes on as if nothing had happened: what is stored from then
on is folded as ever. But a rebuild would lose what is gone, and nobody would know.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from nats.aio.client import Client

from line.checkpoints import checkpoints
from line.jetstream import stream_info
from line.messages import message_at, newest_message
from line.problems import StreamGone
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries
from schemas.facts import EXPIRED
from schemas.positions import Beginning
from schemas.registry import DECLARED
from schemas.stored_subjects import fact_filter
from schemas.streams import Stream

MOST: Final = 1_000
"""The most lost entities that are named; there may be more."""
_LATE: Final = timedelta(hours=1)  # the server removes by age a moment later
_AT_ONCE: Final = 50
_SHOWN: Final = 3
_QUERIES: Final = engine_queries()


class ReadModel(Protocol):
    """A projection: what it is about, and where its entities begin."""

    @property
    def name(self) -> str: ...
    @property
    def entity(self) -> str: ...
    @property
    def streams(self) -> tuple[Stream, ...]: ...

    async def begun_before(
        self, conn: Connection, first: int, *, site: str | None, accepted: int, since: datetime | None
    ) -> list[Beginning]:
        """Return the oldest entities that begin before a sequence."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A stream that lost the first events of some entities. `first`: the sequence at which it begins now.

    `carried`: a rebuild takes over the rows of what the line no longer holds.
    """

    stream: str
    first: int
    projection: str
    entity: str
    lost: Sequence[Beginning]
    carried: bool

    def __str__(self) -> str:
        rest = "takes over the rows of the rest as they are" if self.carried else "would lose the rest"
        return (
            f"stream {self.stream} was purged or cut: it begins at sequence {self.first}, and "
            f"{named(self.entity, self.stream, self.lost)} began before that. What is stored now is folded, "
            f"and a rebuild {rest}: restore a backup of NATS, or give up what is gone with "
            f"`foldline rebuild {self.projection} --accept-loss`"
        )


def named(entity: str, stream: str, lost: Sequence[Beginning]) -> str:
    """Return how many entities are lost, and the first ones by name."""
    some = ", ".join(f"{one.id} at {one.site} ({stream}:{one.sequence})" for one in lost[:_SHOWN])
    if len(lost) == 1:
        return f"the {entity} {some}"
    number = f"{len(lost):,} or more" if len(lost) >= MOST else f"{len(lost):,}"
    return f"{number} {entity}s, such as {some},"


def event_streams(streams: Collection[Stream]) -> list[tuple[Stream, str | None]]:
    """Return the streams that keep events, each with the site whose they are; None: any site's."""
    return [(one, one.origin[0] if one.origin else None) for one in streams if not one.newest_only]


@dataclass(frozen=True, slots=True)
class LostFacts:
    """Looks for what the line lost of a live read model. Raises StreamUnavailable, psycopg.Error."""

    nc: Client
    conn: Connection
    model: ReadModel
    partitions: int

    async def cuts(self) -> list[Cut]:
        """Return the streams that were cut at their front.

        What was removed behind the front is found by a rebuild or a verification.
        """
        model, found = self.model, []
        for stream, site in event_streams(model.streams):
            try:
                first = (await stream_info(self.nc, stream.name))["state"]["first_seq"]
            except StreamGone:
                continue  # its identity says so
            row = await (
                await self.conn.execute(_QUERIES["accepted-first"], {"name": stream.name})
            ).fetchone()
            since = datetime.now(UTC) - timedelta(days=stream.days) + _LATE if stream.days else None
            before = await model.begun_before(
                self.conn, first, site=site, accepted=row[0] if row else 0, since=since
            )
            if lost := await self.among(stream, before):
                found.append(Cut(stream.name, first, model.name, model.entity, lost, stream.days > 0))
        return found

    async def among(self, stream: Stream, beginnings: Sequence[Beginning]) -> list[Beginning]:
        """Return those that the line holds neither the event of nor an expiry that is not folded yet.

        At most `MOST` of them.
        """
        lost: list[Beginning] = []
        if not beginnings:
            return lost
        reached = await checkpoints(self.conn, self.model.name)
        for start in range(0, len(beginnings), _AT_ONCE):
            some = beginnings[start : start + _AT_ONCE]
            ends = [reached.get(one.partition, {}).get(stream.name, 0) for one in some]
            answers = await asyncio.gather(
                *(self._is_lost(stream.name, one, end) for one, end in zip(some, ends, strict=True))
            )
            lost += [one for one, gone in zip(some, answers, strict=True) if gone]
            if len(lost) >= MOST:
                return lost[:MOST]
        return lost

    async def _is_lost(self, stream: str, one: Beginning, reached: int) -> bool:
        if await message_at(self.nc, stream, one.sequence) is not None:
            return False  # what it comes to is the fold's decision
        if EXPIRED not in DECLARED.facts[self.model.entity]:
            return True
        where = fact_filter(one.site, self.model.entity, one.id, EXPIRED, self.partitions)
        newest = await newest_message(self.nc, stream, where)
        return newest is None or newest.sequence <= reached


async def accept_loss(nc: Client, conn: Connection, streams: Collection[Stream]) -> None:
    """Record that what the streams hold no longer is given up. Raises StreamUnavailable, psycopg.Error."""
    for stream, _ in event_streams(streams):
        state = (await stream_info(nc, stream.name))["state"]
        await conn.execute(_QUERIES["accept-first"], {"name": stream.name, "first": state["first_seq"]})
