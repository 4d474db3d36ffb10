"""Installation of the engine's own tables."""

from runtime.database.connections import Connection
from runtime.database.queries import read_sql
from runtime.problems import Problem

_INSTALL_LOCK = 0x464F4C44  # "FOLD"


async def install_engine(conn: Connection) -> None:
    """Create what is missing of the schema `foldline`, one process at a time.

    Raises Problem for a database whose encoding cannot hold every text.
    """
    encoding = conn.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise Problem(
            f"the database has the encoding {encoding}: create one with the encoding UTF8",
            "FOLDLINE_DATABASE_URL",
        )
    async with conn.transaction():
        await conn.execute("select pg_advisory_xact_lock(%s)", (_INSTALL_LOCK,))
        await conn.execute(read_sql("runtime.database.engine", "tables.sql").encode())
