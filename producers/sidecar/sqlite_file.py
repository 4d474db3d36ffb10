"""One SQLite file that belongs to one process: every commit is synced, all work happens in one thread."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")

_SETTINGS: Final = (
    "pragma locking_mode=exclusive",  # a second process fails at once
    "pragma journal_mode=wal",  # a commit is one append to one file, whole after SIGKILL at any instruction
    "pragma synchronous=full",  # and one fsync, so that it outlives a power cut as well
)
_LOCK_WAIT_S: Final = 10.0


class SqliteFile:
    """Runs functions on the connection to `path`, one after the other, in a thread of its own.

    A transaction that is committed is on the disk. Every method raises sqlite3.Error, `open` OSError as well.
    """

    def __init__(self, path: Path, tables: str) -> None:
        self.path = path
        self._tables = tables
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=path.stem)
        self._db: sqlite3.Connection

    async def open(self) -> None:
        """Open the file, and make the folder, the file and the tables as far as they are missing."""
        self._db = await self._in_thread(self._connect)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in the thread and answer its result.

        A caller that is cancelled leaves at once; the work is done all the same.
        """
        return await self._in_thread(lambda: work(self._db))

    async def close(self) -> None:
        """Close the file after the work under way, and end the thread."""
        await self._in_thread(self._db.close)
        self._thread.shutdown()

    def on_disk(self) -> int:
        """Return the size of the file and its journal in bytes."""
        return sum(file.stat().st_size for file in self.path.parent.glob(f"{self.path.name}*"))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=_LOCK_WAIT_S)
        try:
            for setting in _SETTINGS:
                db.execute(setting)
            db.executescript(self._tables)
        except BaseException:
            db.close()
            raise
        return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit all statements of the block, synced, or none of them if it raises."""
    db.execute("begin immediate")
    try:
        yield
        db.execute("commit")
    finally:
        # After some failures SQLite has rolled back itself.
        if db.in_transaction:
            db.execute("rollback")
