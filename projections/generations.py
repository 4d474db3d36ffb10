"""Generations of a read model: the live one, one being built beside it, and the one before.

Each is a schema of its own with lease rows of its own, both under one name. Read models have no migrations:
what changes is a new generation, folded from the line.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from projections.projection import Projection
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries
from runtime.database.queries import in_schema, read_sql
from schemas.streams import Stream


class Role(StrEnum):
    """The purpose of a generation. `SCRATCH` is what a verification folds; it is never recorded."""

    LIVE = "live"
    BUILDING = "building"
    OLD = "old"
    SCRATCH = "scratch"


@dataclass(frozen=True, slots=True)
class Generation:
    """One recorded generation. `number` counts up over the life of a projection."""

    role: Role
    number: int
    version: int
    cancelled: bool
    began_at: datetime


_QUERIES: Final = engine_queries()


def name_of(projection: str, role: Role) -> str:
    """Return the name of a generation's schema, which is also the name of the follower that folds it."""
    return projection if role is Role.LIVE else f"{projection}_{role}"


async def generations(conn: Connection, projection: str) -> dict[Role, Generation]:
    """Return all recorded generations, by role."""
    cursor = await conn.execute(_QUERIES["generations"], {"projection": projection})
    return {Role(role): Generation(Role(role), *rest) async for role, *rest in cursor}


async def create(conn: Connection, projection: Projection[Any, Any], role: Role, partitions: int) -> None:
    """Create an empty generation at the start of the line. Runs inside the caller's transaction."""
    name = name_of(projection.name, role)
    built = projection.in_schema(name)
    await conn.execute(in_schema("create schema {schema}", name).encode())
    await conn.execute(in_schema(read_sql("runtime.database.engine", "generation_tables.sql"), name).encode())
    await conn.execute(built.schema_sql().encode())
    number = 0
    if role is not Role.SCRATCH:
        values = {"projection": projection.name, "role": role, "version": projection.version}
        row = await (await conn.execute(_QUERIES["record-generation"], values)).fetchone()
        number = row[0] if row else 0
    numbered = engine_queries(name)["number-generation"]
    await conn.execute(numbered, {"number": number})
    await add_leases(conn, name, partitions, streams=projection.streams, version=projection.version)


async def drop(conn: Connection, projection: str, role: Role) -> None:
    """Drop a generation with everything in it. Runs inside the caller's transaction."""
    await drop_leases(conn, projection, role)
    dropping = in_schema("drop schema if exists {schema} cascade", name_of(projection, role))
    await conn.execute(dropping.encode())
    await conn.execute(_QUERIES["forget-generation"], {"projection": projection, "role": role})


async def change_role(conn: Connection, projection: str, role: Role, to: Role) -> None:
    """Give a generation another role, without its leases. Runs inside the caller's transaction."""
    old, new = name_of(projection, role), name_of(projection, to)
    await conn.execute(f'alter schema "{old}" rename to "{new}"'.encode())
    await conn.execute(_QUERIES["change-role"], {"projection": projection, "role": role, "to": to})


async def move_leases(conn: Connection, projection: str, role: Role, to: Role) -> None:
    """Move a generation's leases to another role, free for anybody."""
    names = {"from": name_of(projection, role), "to": name_of(projection, to)}
    await conn.execute(_QUERIES["move-leases"], names)


async def drop_leases(conn: Connection, projection: str, role: Role) -> None:
    """Drop a generation's leases; whoever folds it is fenced."""
    await conn.execute(_QUERIES["drop-leases"], {"follower": name_of(projection, role)})


async def cancel_building(conn: Connection, projection: str, *, cancelled: bool = True) -> bool:
    """Ask whoever builds a generation to stop. False when none is being built."""
    cursor = await conn.execute(
        _QUERIES["cancel-generation"], {"projection": projection, "cancelled": cancelled}
    )
    return await cursor.fetchone() is not None


async def lock_installation(conn: Connection) -> None:
    """Let no other process create or drop generations until the end of the transaction."""
    await conn.execute(_QUERIES["lock-installation"])


async def add_leases(
    conn: Connection,
    follower: str,
    partitions: int,
    *,
    streams: Iterable[Stream],
    version: int | None = None,
) -> None:
    """Add the missing lease rows, one a partition, free and at the start of the line."""
    names = [stream.name for stream in streams]
    values = {"follower": follower, "partitions": partitions, "version": version, "streams": names}
    await conn.execute(_QUERIES["add-leases"], values)


async def set_streams(conn: Connection, follower: str, streams: Iterable[Stream]) -> None:
    """Set which streams a follower reads from now on: a centre may gather another site."""
    values = {"follower": follower, "streams": [stream.name for stream in streams]}
    await conn.execute(_QUERIES["set-streams"], values)


async def table_names(conn: Connection, schema: str) -> list[str]:
    """Return the names of a schema's tables."""
    return [row[0] async for row in await conn.execute(_QUERIES["tables-of-schema"], {"schema": schema})]
