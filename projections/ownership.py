"""Whether somebody is folding: partitions with a live owner, those that are paused, parked entities."""

from typing import Final

from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries

_QUERIES: Final = engine_queries()


async def held_partitions(conn: Connection, projection: str) -> int:
    """How many partitions of a projection are being folded now."""
    row = await (await conn.execute(_QUERIES["held-partitions"], {"projection": projection})).fetchone()
    return int(row[0]) if row else 0


async def paused_partitions(conn: Connection, projection: str) -> list[tuple[str, list[int]]]:
    """Reasons why partitions of a projection may not be folded, each with its partitions."""
    cursor = await conn.execute(_QUERIES["paused-by-reason"], {"projection": projection})
    return [(reason, parts) async for reason, parts in cursor]


async def parked_count(conn: Connection, projection: str) -> int:
    """How many entities a projection has parked."""
    query = engine_queries(projection)["count-parked"]
    row = await (await conn.execute(query)).fetchone()
    return int(row[0]) if row else 0
