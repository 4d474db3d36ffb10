"""Upkeep of reactors: every two seconds each replica compares the durables with their declarations.

A durable that is missing is made again from where it had got to; one that differs is changed; a pause, which
an operator writes into PostgreSQL, is passed on to the server. Any replica does it, and doing it twice
changes nothing. Beside that the outcomes of this process are written.
"""

import logging
from collections.abc import Sequence
from typing import Final, NamedTuple

import psycopg
from nats.aio.client import Client
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from consumers.reactors.declaration import Task
from consumers.reactors.outcomes import Outcomes
from line.durables import change_durable, find_durable, make_durable, pause_durable
from line.identity import changed_streams
from line.problems import StreamUnavailable
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries

logger = logging.getLogger("foldline.reactors")

EVERY_S: Final = 2.0
_QUERIES: Final = engine_queries()


class _Row(NamedTuple):
    """A task reactor in PostgreSQL. Every message up to `ack_floor` was acknowledged."""

    paused: bool
    ack_floor: int


class Upkeep:
    """Keeps the durables of some task reactors as they are declared."""

    def __init__(
        self,
        tasks: Sequence[Task],
        nc: Client,
        pool: AsyncConnectionPool[Connection],
        outcomes: Outcomes,
    ) -> None:
        self._tasks = tasks
        self._nc = nc
        self._pool = pool
        self._outcomes = outcomes
        self._told = ""

    async def run(self) -> None:
        """Look at every durable once. Raises StreamUnavailable, psycopg.Error."""
        async with self._pool.connection() as conn:
            await self._outcomes.write(conn)
            for task in self._tasks:
                try:
                    await self._keep(conn, task)
                except StreamUnavailable as exc:
                    self._outcomes.note_failure(task.name, exc)
                    raise

    async def try_run(self) -> None:
        """Look at every durable once; what goes wrong is logged once, the next run tries again."""
        try:
            await self.run()
        except (StreamUnavailable, psycopg.Error, PoolTimeout, OSError) as exc:
            if self._told != (told := str(exc)):
                logger.warning("reactors are not looked after, trying again: %s", told)
            self._told = told
        except Exception:
            logger.exception("reactors are not looked after, trying again")
        else:
            self._told = ""

    async def _keep(self, conn: Connection, task: Task) -> None:
        durable = task.durable
        found = await find_durable(self._nc, durable)
        # Read after it: whoever pauses writes the row first, so a pause that the server knows is in it.
        row = await _row(conn, task.name)
        if found is None:
            await self._refuse_another_line(conn, durable.stream)
            await make_durable(self._nc, durable, after=row.ack_floor, paused=row.paused)
            level = logging.WARNING if row.ack_floor else logging.INFO
            logger.log(level, "%s: its durable is made, from sequence %d", task.name, row.ack_floor + 1)
            return
        if differences := durable.drift(found.config):
            await change_durable(self._nc, durable, found, after=row.ack_floor, paused=row.paused)
            logger.warning("changed as declared: %s", "; ".join(differences))
            return  # what another one has acknowledged counts for nothing
        if found.paused != row.paused:
            await pause_durable(self._nc, durable, paused=row.paused)
            logger.info("%s: %s", task.name, "paused" if row.paused else "goes on")
        if found.ack_floor > row.ack_floor:
            await conn.execute(_QUERIES["raise-ack-floor"], {"name": task.name, "floor": found.ack_floor})

    async def _refuse_another_line(self, conn: Connection, stream: str) -> None:
        """Raise StreamUnavailable for a stream that is another one: there the sequences mean other events."""
        for changed in await changed_streams(self._nc, conn):
            if changed.stream == stream:
                raise StreamUnavailable(stream, str(changed))


async def _row(conn: Connection, name: str) -> _Row:
    row = await (await conn.execute(_QUERIES["task-reactor"], {"name": name})).fetchone()
    return _Row(*row) if row else _Row(paused=False, ack_floor=0)
