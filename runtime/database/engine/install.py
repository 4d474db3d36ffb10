"""The engine's own tables, created where missing under one advisory lock."""

from runtime.database.connections import Connection
from runtime.database.queries import read_sql
from runtime.problems import Problem

_INSTALL_LOCK = 0x464F4C44  # "FOLD"


async def install_engine(conn: Connection) -> None:
    """Create the schema `foldline`; safe to call from any number of processes at once.

    Raises Problem for a database that cannot hold every text.
    """
    encoding = conn.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise Problem(f"the database's encoding is {encoding}, UTF8 is needed", "FOLDLINE_DATABASE_URL")
    async with conn.transaction():
        await conn.execute("select pg_advisory_xact_lock(%s)", (_INSTALL_LOCK,))
        await conn.execute(read_sql("runtime.database.engine", "tables.sql").encode())
