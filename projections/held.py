"""Whether somebody is folding: partitions with a live owner."""

from typing import Final

from runtime.postgres import Connection
from runtime.sql import load_queries

_QUERIES: Final = load_queries("projections", "held.sql", schema="foldline")


async def held_partitions(conn: Connection, projection: str) -> int:
    """How many partitions of a projection are being folded now."""
    row = await (await conn.execute(_QUERIES["held"], {"projection": projection})).fetchone()
    return int(row[0]) if row else 0
