"""What the daemon knows of its sessions, on disk: a restart goes on with the same totals and parents.

SQLite with `synchronous=FULL` in the folder of the spool. Whatever waits when a transaction is over is the
next one.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from producers.sidecar.daemon.counters import Counter
from producers.sidecar.daemon.histograms import Histogram
from producers.sidecar.daemon.session import TALLY, Record, Session

T = TypeVar("T")
Statement = tuple[str, tuple[Any, ...]]

_TABLES: Final = """
create table if not exists session (id text primary key, record text not null) without rowid;
create table if not exists tally (
    session text not null,
    key     text not null,
    value   text not null,
    primary key (session, key)
) without rowid;
create table if not exists sent (session text primary key, state text not null) without rowid;
"""
_KEEP: Final = "insert or replace into session values (?, ?)"
_TALLY: Final = "insert or replace into tally values (?, ?, ?)"
_SENT: Final = "insert or replace into sent values (?, ?)"
_FORGET: Final = (
    "delete from session where id = ?",
    "delete from tally where session = ?",
    "delete from sent where session = ?",
)


class Remembered(NamedTuple):
    """A session of an earlier process: record, totals, and the state as last sent, if that is known."""

    record: Record
    tallies: dict[str, Counter | Histogram]
    sent: dict[str, str]


class Memory:
    """The file `daemon.db` of one process. What a method was given is synced when it returns.

    All methods but `open` raise sqlite3.Error.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "daemon.db"
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="daemon-memory")
        self._db: sqlite3.Connection
        self._statements: list[Statement] = []
        self._next: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> list[Remembered]:
        """What an earlier process left. Raises OSError, sqlite3.Error."""
        return await self._do(self._open)

    async def close(self, sessions: Iterable[Session]) -> None:
        """Keep the rest: the state as last sent. Whoever is killed instead has none, and none that is old."""
        rest = [(session.record, session.sent.values()) for session in sessions]
        await self._write([_kept(record) for record, _ in rest])
        await self._write([(_SENT, (record.id, json.dumps(sent))) for record, sent in rest])
        await self._do(self._db.close)
        self._thread.shutdown()

    async def keep(self, record: Record) -> None:
        """A session, new or changed."""
        await self._write([_kept(record)])

    async def tally(self, session_id: str, key: str, value: Counter | Histogram) -> None:
        """A total."""
        await self._write([(_TALLY, (session_id, key, value.model_dump_json()))])

    async def forget(self, session_id: str) -> None:
        """A session that is over."""
        await self._write([(statement, (session_id,)) for statement in _FORGET])

    async def _write(self, statements: Sequence[Statement]) -> None:
        if self._next is None:
            self._next = asyncio.create_task(self._write_next())
        self._statements += statements
        await asyncio.shield(self._next)

    async def _write_next(self) -> None:
        async with self._turn:
            statements, self._statements, self._next = self._statements, [], None
            await self._do(lambda: self._execute(statements))

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _execute(self, statements: Sequence[Statement]) -> None:
        self._db.execute("begin immediate")
        try:
            for statement, values in statements:
                self._db.execute(statement, values)
            self._db.execute("commit")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise

    def _open(self) -> list[Remembered]:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=10)
        self._db.execute("pragma locking_mode=exclusive")
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=full")
        self._db.executescript(_TABLES)
        sent = {session: json.loads(state) for session, state in self._db.execute("select * from sent")}
        # From here on they may be older than what is sent, should this process be killed.
        self._db.execute("delete from sent")
        tallies: dict[str, dict[str, Counter | Histogram]] = {}
        for session, key, value in self._db.execute("select session, key, value from tally"):
            tallies.setdefault(session, {})[key] = TALLY.validate_json(value)
        return [
            Remembered(Record.model_validate_json(record), tallies.get(id_, {}), sent.get(id_, {}))
            for id_, record in self._db.execute("select id, record from session")
        ]


def _kept(record: Record) -> Statement:
    return _KEEP, (record.id, record.model_dump_json())
