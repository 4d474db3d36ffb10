"""Installation: a read model's first generation is created once, by whichever process comes first."""

from typing import Any

from projections.generations import Role, create, generations, lock_installation, set_streams
from projections.projection import Projection
from runtime.database.connections import Connection
from runtime.problems import Problem


async def install(conn: Connection, projection: Projection[Any, Any], partitions: int) -> bool:
    """Create the live generation if there is none, and tell whether it is of this program's version.

    An older one has to be rebuilt. Any number of processes may call this at once. Raises Problem if the
    generation is newer than this program.
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
