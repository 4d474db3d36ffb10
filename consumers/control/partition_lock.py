"""Work on one partition from outside its owner, who cannot commit meanwhile and starts anew afterwards."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from consumers.control.lock_wait import retry_locking
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries

_QUERIES: Final = engine_queries()
_LOCK_WAIT_S: Final = 5
_TRIES: Final = 5
T = TypeVar("T")


async def with_partition_locked(
    conn: Connection, follower: str, part: int, act: Callable[[dict[str, int]], Awaitable[T]]
) -> T:
    """Run `act` in a transaction that holds the partition; it is given the checkpoint, stream → sequence.

    A batch under way holds locks of its own: whoever loses to it tries again. Raises Problem when the
    partition stays locked, and whatever `act` raises; nothing has changed then.
    """

    async def take_over() -> T:
        values = {"follower": follower, "part": part}
        row = await (await conn.execute(_QUERIES["take-over-partition"], values)).fetchone()
        return await act(row[0] if row else {})

    partition = f"partition {part} of {follower}"
    return await retry_locking(conn, partition, take_over, seconds=_LOCK_WAIT_S, tries=_TRIES)
