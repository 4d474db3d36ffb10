"""Parking: an entity whose fold raises waits, and all its later events behind it, while the others go on.

An exception in a fold is our bug. Nothing is lost by it and nothing is skipped: after the program was mended
a retry folds what waits, in order; or an operator decides that one event is passed over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from line.raw_event import RawEvent
from projections.projection import Key
from runtime.database.connections import Connection
from runtime.database.queries import Queries, columns_of
from schemas.registry import DECLARED

IN_A_ROW: Final = 10
"""How many entities of a partition may be parked without one event folded in between."""

Place = tuple[str, int]
"""Stream and sequence of an event."""

_LONGEST: Final = 1_000
_LATEST_ONLY: Final = DECLARED.latest_only


class Stopped(RuntimeError):
    """A partition must not be folded any further; `str()` is the reason for its pause."""

    def __init__(self, partition: int, reason: str) -> None:
        super().__init__(reason)
        self.partition = partition


@dataclass(slots=True)
class Failures:
    """Errors by the event whose fold raised them: found by trying a batch, known when it is tried again."""

    errors: dict[Place, str] = field(default_factory=dict)
    found: int = 0  # in the try under way: it has to be made again without them

    def note(self, event: RawEvent, error: Exception) -> str:
        """Note the error of an event's fold; returns its text."""
        text = f"{type(error).__name__}: {error}".replace("\x00", "")
        self.errors[event.stream, event.sequence] = text.encode(errors="replace").decode()[:_LONGEST]
        self.found += 1
        return self.errors[event.stream, event.sequence]

    def of(self, event: RawEvent) -> str | None:
        """Return the error of an event's fold, if it was tried and raised."""
        return self.errors.get((event.stream, event.sequence))


class Known(NamedTuple):
    """Parked entities and skipped events as a transaction finds them: whoever changes either fences it."""

    keys: frozenset[Key] = frozenset()
    skips: Mapping[Place, str] = MappingProxyType({})


_NOTHING: Final = Known()


@dataclass(slots=True)
class Parked:
    """The entities a batch parks, each with the event at fault, and the events that wait for one."""

    known: Known = _NOTHING
    entities: dict[Key, tuple[RawEvent, str]] = field(default_factory=dict)
    waiting: list[tuple[Key, RawEvent]] = field(default_factory=list)
    expired: set[Key] = field(default_factory=set)
    in_a_row: dict[int, int] = field(default_factory=dict)  # failures by partition since one was folded

    @property
    def is_news(self) -> bool:
        """Whether what was known before no longer says everything."""
        return bool(self.entities or self.waiting or not self.expired.isdisjoint(self.known.keys))

    def fresh(self) -> "Parked":
        """Return an empty note for the next batch, or for another try of this one."""
        return Parked(self.known, in_a_row=dict(self.in_a_row))

    def skipped(self, event: RawEvent) -> str | None:
        """Return why an operator had an event passed over; None if nobody did."""
        return self.known.skips.get((event.stream, event.sequence))

    def holds(self, key: Key, event: RawEvent) -> bool:
        """Whether an event waits for its entity. A heartbeat does not: only the newest counts."""
        if event.stream in _LATEST_ONLY:
            return False
        return key in self.entities or (key in self.known.keys and key not in self.expired)

    def park(self, key: Key, event: RawEvent, error: str) -> None:
        """Park an entity from this event on. Raises Stopped when it is one too many in a row."""
        self.entities[key] = event, error
        self.waiting.append((key, event))
        count = self.in_a_row[event.partition] = self.in_a_row.get(event.partition, 0) + 1
        if count >= IN_A_ROW:
            raise Stopped(
                event.partition,
                f"stopped: {count} entities in a row could not be folded, the last one for {error[:200]} at "
                f"{event.stream} {event.sequence}; resume when it is mended",
            )

    def folded(self, partition: int) -> None:
        """Note that an event took effect: the fold as such works."""
        if self.in_a_row:
            self.in_a_row.pop(partition, None)

    def expire(self, key: Key) -> None:
        """Drop an entity that is gone, and whatever waited for it."""
        self.entities.pop(key, None)
        self.waiting = [one for one in self.waiting if one[0] != key]
        self.expired.add(key)


class Parking:
    """One follower's knowledge of parked entities and skipped events, read anew whenever a lease has moved.

    Whoever changes either raises the partition's epoch, so that it is.
    """

    def __init__(self, projection: str, queries: Queries) -> None:
        self._projection = projection
        self._queries = queries
        self._known: Known | None = None
        self._in_a_row: dict[int, int] = {}

    def forget(self) -> None:
        """Have it read again for the next transaction."""
        self._known = None
        self._in_a_row = {}

    async def load(self, conn: Connection) -> Known:
        """Return what is parked and skipped. Runs in the transaction that wants to know."""
        if self._known is None:
            rows = await (await conn.execute(self._queries["parked"])).fetchall()
            skips = await conn.execute(self._queries["skips"], {"projection": self._projection})
            self._known = Known(
                frozenset((site, id_) for site, id_, *_ in rows),
                {(stream, seq): reason for stream, seq, reason in await skips.fetchall()},
            )
        return self._known

    def begin(self, known: Known) -> Parked:
        """Return an empty note for the first batch of a transaction."""
        return Parked(known, in_a_row=dict(self._in_a_row))

    async def write(self, conn: Connection, batch: Parked) -> None:
        """Store what a batch parks, inside its transaction."""
        if batch.entities:
            rows: list[Sequence[Any]] = [
                (event.partition, *key, event.stream, event.sequence, error)
                for key, (event, error) in batch.entities.items()
            ]
            await conn.execute(self._queries["park"], columns_of(rows))
        if batch.waiting:
            rows = [(event.partition, *key, *_stored(event)) for key, event in batch.waiting]
            await conn.execute(self._queries["add-waiting-events"], columns_of(rows))

    def committed(self, batch: Parked) -> None:
        """Remember what a batch parked, after its commit."""
        self._in_a_row = batch.in_a_row
        if self._known is not None and batch.is_news:
            keys = (self._known.keys - batch.expired) | batch.entities.keys()
            self._known = self._known._replace(keys=keys)


async def waiting(conn: Connection, queries: Queries, key: Key) -> list[RawEvent]:
    """Return the events that wait for an entity, in the order of the line."""
    cursor = await conn.execute(queries["waiting-events"], {"site": key[0], "id": key[1]})
    return [
        RawEvent(
            stream=stream,
            partition=part,
            sequence=seq,
            stored_at=stored_at,
            subject=subject,
            headers=headers,
            body=body,
        )
        async for stream, part, seq, stored_at, subject, headers, body in cursor
    ]


def _stored(event: RawEvent) -> Sequence[Any]:
    return event.stream, event.sequence, event.stored_at, event.subject, event.headers, event.body
