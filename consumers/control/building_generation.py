"""The generation that a rebuild folds: a new one, one that was begun before, or the old one put back."""

from typing import Any

from consumers.control.projection_lock import projection_lock
from line.aging import Aging
from projections.generations import (
    Role,
    cancel_building,
    change_role,
    create,
    drop,
    generations,
    lock_installation,
    move_leases,
    name_of,
)
from projections.projection import Projection
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries
from runtime.database.queries import in_schema
from runtime.problems import Problem
from runtime.settings.database import FoldSettings


async def begin_building(
    conn: Connection,
    projection: Projection[Any, Any],
    config: FoldSettings,
    aging: Aging,
    *,
    anew: bool,
) -> int:
    """Create the generation unless one of this program's version was begun before and `anew` is not wanted.

    Answers how many entities were copied from the live generation because the line no longer holds all of
    them, or may not when the generation is folded. What was rejected of events that are gone is copied, too.
    """
    async with conn.transaction():
        await lock_installation(conn)
        begun = (await generations(conn, projection.name)).get(Role.BUILDING)
        if begun is not None and not anew and begun.version == projection.version:
            await cancel_building(conn, projection.name, cancelled=False)
            return 0
        if begun is not None:
            await drop(conn, projection.name, Role.BUILDING)
        await create(conn, projection, Role.BUILDING, config.partitions)
        built = projection.in_schema(name_of(projection.name, Role.BUILDING))
        carry_rejected = engine_queries(built.schema)["carry-rejected"].decode()
        statement = in_schema(carry_rejected.replace("{source}", "{schema}"), projection.name)
        for stream, first in aging.first.items():
            await conn.execute(statement.encode(), {"stream": stream, "first": first})
        return await built.carry_over(conn, projection.name, aging.carried)


async def put_back_old(conn: Connection, projection: Projection[Any, Any]) -> None:
    """Make the old generation the one being built; it goes on from its own checkpoints.

    Raises Problem if no old generation is kept, or if it is of another version than this program folds.
    """
    name = projection.name
    async with conn.transaction():
        await lock_installation(conn)
        found = await generations(conn, name)
        old = found.get(Role.OLD)
        if old is None:
            raise Problem(
                f"no old generation of {name} is kept, so there is nothing to put back: "
                f"`foldline rebuild {name}` folds a new one from the line"
            )
        if old.version != projection.version:
            raise Problem(
                f"the old generation of {name} is of version {old.version}, this program folds version "
                f"{projection.version}: run put-back with the program that folds version {old.version}"
            )
        if Role.BUILDING in found:
            await drop(conn, name, Role.BUILDING)
        await change_role(conn, name, Role.OLD, Role.BUILDING)
        await move_leases(conn, name, Role.OLD, Role.BUILDING)


async def drop_generation(config: FoldSettings, projection: str, role: Role) -> bool:
    """Drop the old generation or the one being built; False if there is none.

    Raises Problem while a rebuild or verification of the projection runs.
    """
    async with projection_lock(config, projection, "drop") as conn, conn.transaction():
        await lock_installation(conn)
        found = role in await generations(conn, projection)
        await drop(conn, projection, role)
        return found
