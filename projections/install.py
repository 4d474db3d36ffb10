"""Creating a read model's first generation, once, whoever comes first."""

from typing import Any

from projections.generations import Role, create, generations, lock_installation, set_streams
from projections.projection import Projection
from runtime.database.connections import Connection
from runtime.problems import Problem


async def install(conn: Connection, projection: Projection[Any, Any], partitions: int) -> bool:
    """Create the live generation where there is none; whether it is of this program's version.

    Where it is older, it has to be rebuilt. Safe to call from any number of processes at once. Raises Problem
    if it is newer.
    """
    async with conn.transaction():
        await lock_installation(conn)
        live = (await generations(conn, projection.name)).get(Role.LIVE)
        if live is None:
            await create(conn, projection, Role.LIVE, partitions)
            return True
        await set_streams(conn, projection.name, projection.streams)
    if live.version > projection.version:
        raise Problem(
            f"projection {projection.name}: PostgreSQL holds version {live.version}, this program folds "
            f"version {projection.version}: run the newer program, or go back with "
            f"`foldline put-back {projection.name}` while the generation before is kept"
        )
    return live.version == projection.version
