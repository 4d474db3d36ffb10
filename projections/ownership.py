"""Ownership of a projection: partitions with a live owner, paused partitions, parked entities."""

from typing import Final

from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries

_QUERIES: Final = engine_queries()


async def held_partitions(conn: Connection, projection: str) -> int:
    """Return how many partitions of a projection have a live owner."""
    row = await (await conn.execute(_QUERIES["held-partitions"], {"projection": projection})).fetchone()
    return int(row[0]) if row else 0


async def paused_partitions(conn: Connection, projection: str) -> list[tuple[str, list[int]]]:
    """Return the reasons why partitions of a projection may not be folded, each with its partitions."""
    cursor = await conn.execute(_QUERIES["paused-by-reason"], {"projection": projection})
    return [(reason, parts) async for reason, parts in cursor]


async def parked_count(conn: Connection, projection: str) -> int:
    """Return how many entities a projection has parked."""
    query = engine_queries(projection)["count-parked"]
    row = await (await conn.execute(query)).fetchone()
    return int(row[0]) if row else 0
