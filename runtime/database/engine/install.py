"""Installation of the engine's own tables."""

from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries
from runtime.database.queries import read_sql
from runtime.problems import Problem


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
        await conn.execute(engine_queries()["lock-installation"])
        await conn.execute(read_sql("runtime.database.engine", "tables.sql").encode())
