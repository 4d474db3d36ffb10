"""Partition leases: which replica folds what. Shared fairly among the live ones, fenced by epochs.

All clocks are PostgreSQL's. A replica that lost a lease without noticing cannot commit: every batch ends
with an UPDATE that names the epoch it was folded under.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import AsyncCursor
from psycopg.rows import TupleRow
from pydantic_core import to_json

from line.raw_event import RawEvent
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries

_QUERIES: Final = engine_queries()
_FENCE: Final = "fence"


class Fenced(RuntimeError):
    """A lease moved on while a batch was folded: the transaction must not commit."""


@dataclass(slots=True)
class Held:
    """A partition this replica holds: its epoch, and how far each stream is folded."""

    epoch: int
    sequences: dict[str, int] = field(default_factory=dict)


class Backend(NamedTuple):
    """The writing connection as PostgreSQL knows it; named in the lease, so that a successor can end it."""

    pid: int
    started: datetime


NOBODY: Final = Backend(0, datetime.min.replace(tzinfo=UTC))


class Moved(NamedTuple):
    """The partitions a refresh changed. One lost and taken again is in both: its reading starts anew."""

    lost: set[int]
    taken: set[int]
    surplus: set[int]  # held beyond the fair share: to be released between two batches


class Leases:
    """The leases of one follower in this process. `version`: only leases of this version are taken.

    `replicas`: how many replicas are expected. Until all are here, each leaves the others their share: what
    one gives up another has to begin reading anew.
    """

    def __init__(
        self,
        follower: str,
        owner: str,
        partitions: int,
        ttl: float,
        *,
        version: int | None = None,
        replicas: int = 1,
    ) -> None:
        self.follower = follower
        self.version = version
        self.owner = owner
        self.partitions = partitions
        self.held: dict[int, Held] = {}
        self._replicas = replicas
        self._ttl = timedelta(seconds=ttl)

    async def refresh(self, control: Connection, backend: Backend) -> Moved:
        """Announce this replica, renew its leases, and take up to its fair share.

        `held` changes in one step at the very end, so that the caller can drop what it read under lost
        leases before anything else runs.
        """
        writing = {"pid": backend.pid, "started": backend.started}
        live = [row[0] for row in await self._rows(control, "announce-replica")]
        held = dict(self.held)
        if held:
            kept = await self._rows(control, "renew-leases", **_epochs(held), **writing)
            held = {part: held[part] for (part,) in kept}
        lost = self.held.keys() - held.keys()
        share = self._fair_share(live)
        taken: dict[int, Held] = {}
        if (missing := share - len(held)) > 0:
            rows = await self._rows(control, "take-leases", most=missing, holding=list(held), **writing)
            taken = {part: Held(epoch, sequences) for part, epoch, sequences, _ in rows}
            holding = [*held, *taken]
            if len(taken) < missing:
                await self._rows(control, "end-hung-owners", holding=holding, pid=backend.pid)
            elif taken:
                await self._execute(control, "release-forgotten", holding=holding)
        self.held = held | taken
        return Moved(set(lost), set(taken), set(sorted(self.held)[share:]))

    async def release(self, control: Connection, parts: Iterable[int]) -> None:
        """Give partitions up, between two batches."""
        given = {part: self.held.pop(part) for part in list(parts) if part in self.held}
        if given:
            await self._execute(control, "release-leases", **_epochs(given))

    async def stop(self, control: Connection, part: int, reason: str) -> None:
        """Let nobody fold a partition of ours until it is resumed."""
        if (held := self.held.pop(part, None)) is not None:
            await self._execute(control, "stop-partition", part=part, epoch=held.epoch, reason=reason)

    async def leave(self, control: Connection) -> None:
        """Give everything up: the replica stops."""
        await self.release(control, self.held)
        await self._execute(control, "remove-replica")

    def epochs(self, parts: Iterable[int]) -> dict[int, int]:
        """Return the epochs under which a batch is about to be folded."""
        return {part: self.held[part].epoch for part in parts}

    async def fence(self, writer: Connection, reached: "Reached") -> None:
        """Write checkpoints inside the batch's transaction, as its last statement. Raises Fenced."""
        parts = [
            {"part": part, "epoch": reached.epochs[part], "seqs": sequences}
            for part, sequences in reached.sequences.items()
        ]
        # As JSON: arrays of them took the client longer than everything else it does here.
        values = {"stored_at": reached.stored_at, "reached": to_json(parts).decode()}
        cursor = await self._execute(writer, _FENCE, **values)
        if cursor.rowcount != len(reached.sequences):
            raise Fenced(f"{self.follower}: a lease among {sorted(reached.sequences)} moved on")

    async def check(self, conn: Connection, epochs: Mapping[int, int]) -> None:
        """Raises Fenced if a lease has moved on since its epoch was noted; the fence alone is certain."""
        rows = await self._rows(
            conn, "is-any-epoch-changed", parts=list(epochs), epochs=list(epochs.values())
        )
        if rows[0][0]:
            raise Fenced(f"{self.follower}: a lease among {sorted(epochs)} moved on")

    def advance(self, reached: "Reached") -> None:
        """Remember what was committed, for the partitions still held under the same epoch."""
        for part, sequences in reached.sequences.items():
            held = self.held.get(part)
            if held is not None and held.epoch == reached.epochs[part]:
                held.sequences.update(sequences)

    def _fair_share(self, live: list[str]) -> int:
        """Divide the partitions over the live replicas; the first ones by name take the remainder."""
        each, left = divmod(self.partitions, max(len(live), self._replicas))
        return each + (live.index(self.owner) < left)

    async def _rows(self, conn: Connection, query: str, **values: Any) -> list[TupleRow]:
        return await (await self._execute(conn, query, **values)).fetchall()

    async def _execute(self, conn: Connection, query: str, **values: Any) -> AsyncCursor[TupleRow]:
        mine = {"follower": self.follower, "owner": self.owner, "version": self.version, "ttl": self._ttl}
        # The fence is part of every batch, and planning it takes longer than doing it.
        return await conn.execute(_QUERIES[query], mine | values, prepare=query == _FENCE)


@dataclass(frozen=True, slots=True)
class Reached:
    """The sequences a batch gets each partition to, their epochs, and the store time of its last event."""

    sequences: dict[int, dict[str, int]]
    epochs: dict[int, int]
    stored_at: datetime

    def then(self, further: "Reached") -> "Reached":
        """Add the batch behind it, in the same transaction and under the same epochs."""
        sequences = self.sequences | {
            part: self.sequences.get(part, {}) | reached for part, reached in further.sequences.items()
        }
        return Reached(sequences, self.epochs | further.epochs, max(self.stored_at, further.stored_at))


def reached_by(events: Sequence[RawEvent], epochs: Mapping[int, int]) -> Reached:
    """Return how far a batch of at least one event gets each partition."""
    sequences: dict[int, dict[str, int]] = {}
    last = {(event.partition, event.stream): event.sequence for event in events}
    for (part, stream), sequence in last.items():
        sequences.setdefault(part, {})[stream] = sequence
    stored_at = max([event.stored_at for event in events])
    return Reached(sequences, {part: epochs[part] for part in sequences}, stored_at)


async def identify(writer: Connection) -> Backend:
    """Ask a fresh writing connection for its backend."""
    row = await (await writer.execute(_QUERIES["own-backend"])).fetchone()
    if row is None:
        raise psycopg.OperationalError("the connection does not know its own backend")
    return Backend(*row)


def _epochs(held: Mapping[int, Held]) -> dict[str, list[int]]:
    return {"parts": list(held), "epochs": [lease.epoch for lease in held.values()]}
