"""Rebuilding one entity in place: its rows go and come back while its partition is locked."""

from typing import Any, Final

from psycopg import sql

from consumers.control.loss import refuse_shorter
from consumers.control.parked import replay
from consumers.control.partition_lock import with_partition_locked
from line.aging import read_aging
from line.entity_history import stored_events
from projections.projection import Key, Projection
from runtime.compat.nats_client import BusClient
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries
from runtime.problems import Problem
from schemas.stored_subjects import entity_filter
from schemas.subjects import home_of

_QUERIES: Final = engine_queries()


async def rebuild_entity(
    conn: Connection,
    nc: BusClient,
    projection: Projection[Any, Any],
    key: Key,
    partitions: int,
    *,
    accept_loss: bool = False,
) -> int:
    """Fold all facts of one entity up to the live checkpoint; returns how many took effect.

    One that was parked is so no longer. Raises Problem if a fold raises, or if facts of it have left the
    line: then everything is as it was. With `accept_loss` an entity that the line does not know loses its
    rows.
    """
    part = home_of(key[1], partitions)
    where = entity_filter(key[0], projection.entity, key[1], partitions)
    aging = await read_aging(nc, projection.streams)

    async def fold(checkpoint: dict[str, int]) -> int:
        if await projection.is_aged(conn, key, aging.first):
            raise Problem(
                f"the line no longer holds all facts of {key[1]} at {key[0]}, for some have left it by their "
                f"age: it cannot be folded anew, and its rows stay as they are"
            )
        before = await projection.beginning(conn, key)
        await projection.withdraw(conn, key)
        await _erase(conn, projection.schema, key)
        events = []
        for stream in projection.streams:
            async for event in stored_events(nc, stream.name, where):
                if event.sequence <= checkpoint.get(stream.name, 0) and event.key() == key:
                    events.append(event)
        folded = await replay(projection, conn, events, key) if events else 0
        if before is not None and not accept_loss:
            await refuse_shorter(nc, conn, projection, before)
        return folded

    return await with_partition_locked(conn, projection.schema, part, fold)


async def _erase(conn: Connection, schema: str, key: Key) -> None:
    tables = await conn.execute(_QUERIES["entity-tables"], {"schema": schema})
    for (table,) in await tables.fetchall():
        named = sql.Identifier(schema, table)
        await conn.execute(sql.SQL("delete from {} where (site, id) = (%s, %s)").format(named), key)
