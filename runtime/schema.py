"""The engine's own tables, created where missing under one advisory lock."""

from runtime.postgres import Connection
from runtime.sql import read_sql

_INSTALL_LOCK = 0x464F4C44  # "FOLD"


async def install_engine(conn: Connection) -> None:
    """Create the schema `foldline`; safe to call from any number of processes at once."""
    async with conn.transaction():
        await conn.execute("select pg_advisory_xact_lock(%s)", (_INSTALL_LOCK,))
        await conn.execute(read_sql("runtime", "schema.sql").encode())
