"""The generation that a verification folds: in a schema of its own, dropped afterwards."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from psycopg import sql

from projections.generations import Role, create, drop, lock_installation, name_of
from projections.projection import Projection
from runtime.database.connections import Connection
from runtime.settings.database import FoldSettings


@asynccontextmanager
async def scratch_generation(
    conn: Connection,
    projection: Projection[Any, Any],
    config: FoldSettings,
    first_sequences: Mapping[str, int],
    *,
    snapshot: Connection,
) -> AsyncIterator[int]:
    """Create the generation for the length of a block; one that was left behind is dropped before.

    Gives how many entities were copied from the live generation because the line no longer holds all of them:
    as `snapshot` sees them, a connection in a transaction of its own.
    """
    await _drop(conn, projection.name)
    row = await (await snapshot.execute("select pg_export_snapshot()")).fetchone()
    async with conn.transaction():
        await conn.execute("set transaction isolation level repeatable read")
        await conn.execute(sql.SQL("set transaction snapshot {}").format(row[0] if row else ""))
        await lock_installation(conn)
        await create(conn, projection, Role.SCRATCH, config.partitions)
        scratch = projection.in_schema(name_of(projection.name, Role.SCRATCH))
        carried = await scratch.carry_over(conn, projection.name, first_sequences)
    try:
        yield carried
    finally:
        await _drop(conn, projection.name)


async def _drop(conn: Connection, projection: str) -> None:
    async with conn.transaction():
        await lock_installation(conn)
        await drop(conn, projection, Role.SCRATCH)
