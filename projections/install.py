"""Creating a read model's schema, once, whoever comes first."""

from typing import Any, Final

from projections.projection import Projection
from runtime.postgres import Connection
from runtime.problems import Problem
from runtime.sql import in_schema, load_queries, read_sql

_QUERIES: Final = load_queries("projections", "install.sql", schema="foldline")


async def install(conn: Connection, projection: Projection[Any, Any], partitions: int) -> None:
    """Create the tables and lease rows of a projection where missing.

    Safe to call from any number of processes at once. Raises Problem if the schema is of another version.
    """
    async with conn.transaction():
        await conn.execute(_QUERIES["lock-installation"])
        row = await (await conn.execute(_QUERIES["installed-version"], {"name": projection.name})).fetchone()
        if row is None:
            await conn.execute(in_schema("create schema {schema}", projection.schema).encode())
            await conn.execute(in_schema(read_sql("projections", "engine.sql"), projection.schema).encode())
            await conn.execute(projection.schema_sql().encode())
            await conn.execute(
                _QUERIES["record-version"], {"name": projection.name, "version": projection.version}
            )
        elif row[0] != projection.version:
            raise Problem(
                f"projection {projection.name}: PostgreSQL holds version {row[0]}, this program folds "
                f"version {projection.version}: run the program that matches, or start with an empty database"
            )
        await add_leases(conn, projection.name, partitions)


async def add_leases(conn: Connection, follower: str, partitions: int) -> None:
    """One lease row per partition, free and at the start of the line where it is new."""
    await conn.execute(_QUERIES["add-leases"], {"follower": follower, "partitions": partitions})
