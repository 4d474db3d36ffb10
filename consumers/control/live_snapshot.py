"""The live read model held still for a verification: its rows exactly as of known checkpoints."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from consumers.control.lock_wait import retry_locking
from line.checkpoints import Sequences, checkpoints
from runtime.database.connections import Connection, connect
from runtime.settings.database import FoldSettings

_LOCK_WAIT_S: Final = 2
_TRIES: Final = 10


@asynccontextmanager
async def live_snapshot(config: FoldSettings, projection: str) -> AsyncIterator[tuple[Connection, Sequences]]:
    """Give a connection whose transaction sees the rows as of the checkpoints that come with it.

    Consumers go on: the lease rows are locked only while the snapshot is taken. Raises Problem if they stay
    locked by somebody else.
    """
    async with (
        await connect(config, name="foldline-verify") as reading,
        await connect(config, name="foldline-verify-lock") as locking,
    ):
        await reading.execute("begin isolation level repeatable read read only")

        async def take() -> Sequences:
            locked = await checkpoints(locking, projection, lock=True)
            await checkpoints(reading, projection)  # the first statement takes the snapshot
            return locked

        leases = f"the leases of {projection}"
        yield reading, await retry_locking(locking, leases, take, seconds=_LOCK_WAIT_S, tries=_TRIES)
        await reading.execute("rollback")
