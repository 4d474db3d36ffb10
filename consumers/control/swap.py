"""The swap: a generation that has caught up becomes the live one, in one transaction.

The live lease rows are locked, so that no live batch commits; the workers fold the small remainder meanwhile;
then the schemas change names. Readers are never held up and never see an older state than before: the new
generation is at least as far as the one it replaces. A batch that was under way into the old generation is
fenced, for every epoch is raised.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from nats.aio.client import Client
from psycopg.types.json import Jsonb

from consumers.control.lock_wait import LOCK_REFUSED, limit_lock_wait
from consumers.control.rebuild_progress import RebuildProgress
from line.checkpoints import Sequences, checkpoints, furthest, is_caught_up
from projections.generations import (
    Role,
    change_role,
    drop,
    drop_leases,
    generations,
    lock_installation,
    name_of,
    table_names,
)
from projections.projection import Projection
from runtime.database.connections import Connection, connect
from runtime.database.engine.queries import engine_queries
from runtime.settings.database import FoldSettings

_QUERIES: Final = engine_queries()
_LOCK_WAIT_S: Final = 2
_NEARLY_S: Final = 0.5  # as little work left as this is folded while live batches wait
_NEARLY_EVENTS: Final = 200
_REMAINDER_S: Final = 3.0  # how long live batches may be held up for it
_POLL_S: Final = 0.02


def is_caught_up_for_swap(now: RebuildProgress) -> bool:
    """Whether so little is left to fold that live batches may wait for it."""
    return now.total - now.events <= max(_NEARLY_EVENTS, now.rate * _NEARLY_S)


class SwapPostponed(RuntimeError):
    """The swap was given up, and nothing has changed: it is to be tried again."""


@dataclass(frozen=True, slots=True)
class Swap:
    """Puts the generation being built of one projection in the place of the live one."""

    projection: Projection[Any, Any]
    nc: Client
    config: FoldSettings

    async def prepare(self, conn: Connection) -> None:
        """Do what need not be done while others are held up: drop the old generation, make statistics."""
        name = self.projection.name
        async with conn.transaction():
            await limit_lock_wait(conn, _LOCK_WAIT_S)
            await lock_installation(conn)
            await drop(conn, name, Role.OLD)
        for table in await table_names(conn, name_of(name, Role.BUILDING)):
            await conn.execute(f'analyze "{name_of(name, Role.BUILDING)}"."{table}"'.encode())

    async def perform(self, conn: Connection) -> None:
        """Swap. Raises SwapPostponed."""
        try:
            async with conn.transaction():
                await limit_lock_wait(conn, _LOCK_WAIT_S)
                await lock_installation(conn)
                live = await checkpoints(conn, self.projection.name, lock=True)
                await self._wait_for_remainder(live)
                await self._exchange(conn, live)
        except LOCK_REFUSED as exc:
            raise SwapPostponed(f"PostgreSQL refused a lock: {str(exc).splitlines()[0]}") from exc

    async def _wait_for_remainder(self, live: Sequences) -> None:
        deadline = asyncio.get_running_loop().time() + _REMAINDER_S
        building = name_of(self.projection.name, Role.BUILDING)
        async with await connect(self.config, name="foldline-swap") as beside:
            while not await is_caught_up(self.nc, await checkpoints(beside, building), live):
                if asyncio.get_running_loop().time() > deadline:
                    raise SwapPostponed(f"the remainder was not folded within {_REMAINDER_S:g} s")
                await asyncio.sleep(_POLL_S)

    async def _exchange(self, conn: Connection, live: Sequences) -> None:
        name = self.projection.name
        built = await checkpoints(conn, name_of(name, Role.BUILDING), lock=True)
        version = (await generations(conn, name))[Role.LIVE].version
        await change_role(conn, name, Role.LIVE, Role.OLD)
        await change_role(conn, name, Role.BUILDING, Role.LIVE)
        # The live checkpoint may be ahead with nothing left to fold: facts of expired entities were purged.
        await self._write(conn, "swap-live-leases", name, furthest(live, built), self.projection.version)
        await drop_leases(conn, name, Role.BUILDING)
        await self._write(conn, "add-old-leases", name_of(name, Role.OLD), live, version)

    async def _write(
        self, conn: Connection, query: str, follower: str, sequences: Sequences, version: int
    ) -> None:
        values = {
            "follower": follower,
            "parts": list(sequences),
            "seqs": [Jsonb(seqs) for seqs in sequences.values()],
            "version": version,
            "streams": [stream.name for stream in self.projection.streams],
            "built": name_of(self.projection.name, Role.BUILDING),
        }
        await conn.execute(_QUERIES[query], values)
