"""Facts that wait on disk for the line: in order, synced before they count as accepted, bounded.

SQLite in WAL mode with `synchronous=FULL`: one file, one fsync a transaction, whole after SIGKILL at any
instruction. Whatever waits when a transaction is over is the next one.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from schemas.facts import Fact
from schemas.subjects import Subject

T = TypeVar("T")

_TABLES: Final = """
create table if not exists waiting (
    id         integer primary key autoincrement,
    subject    text not null,
    message_id text not null,
    headers    text not null,
    body       blob not null,
    at         real not null
);
create table if not exists poison (
    id         integer primary key,
    subject    text not null,
    message_id text not null,
    headers    text not null,
    body       blob not null,
    at         real not null,
    reason     text not null
);
"""
_ROW_BYTES: Final = 200  # what a row takes beside its texts, roughly


class SpoolFull(Exception):
    """Nothing more is taken until the line is back: what was accepted is worth more than what is new."""


class Spooled(NamedTuple):
    """A fact that waits, and its place in the line of those that do."""

    id: int
    fact: Fact


@dataclass(slots=True)
class Depth:
    """What waits: counted when it is accepted, not when it is written."""

    facts: int = 0
    bytes: int = 0
    poison: int = 0
    oldest: float | None = None  # when the first of them was accepted, Unix time


class Spool:
    """One spool of one process, by its folder. All of SQLite happens in a thread of its own."""

    def __init__(self, folder: Path, *, max_facts: int, max_bytes: int) -> None:
        self.folder = folder
        self.depth = Depth()
        self._max_facts = max_facts
        self._max_bytes = max_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._db: sqlite3.Connection

    async def open(self) -> None:
        """Take up what an earlier process left. Raises OSError, sqlite3.Error."""
        self.depth = await self._do(self._open)

    async def close(self) -> None:
        """After the last transaction."""
        await self._do(self._db.close)
        self._thread.shutdown()

    async def put(self, facts: Sequence[Fact]) -> None:
        """Keep facts behind those that wait, synced when this returns. Raises SpoolFull, sqlite3.Error."""
        size = sum(map(_size, facts))
        if self.depth.facts + len(facts) > self._max_facts or self.depth.bytes + size > self._max_bytes:
            raise SpoolFull(
                f"{self.depth.facts} facts of {self.depth.bytes} bytes wait for the line; at most "
                f"{self._max_facts} facts and {self._max_bytes} bytes are kept"
            )
        now = time.time()
        self.depth.facts += len(facts)
        self.depth.bytes += size
        self.depth.oldest = self.depth.oldest or now
        try:
            await self._do(lambda: self._insert(facts, now))
        except BaseException:
            self.depth.facts -= len(facts)
            self.depth.bytes -= size
            raise

    async def first(self, most: int, most_bytes: int) -> list[Spooled]:
        """Those that have waited longest, in their order: at least one, if any waits."""
        return await self._do(lambda: self._first(most, most_bytes))

    async def done(self, gone: Sequence[Spooled], refused: Sequence[tuple[Spooled, str]] = ()) -> None:
        """They are on the line, or are set aside with a reason: nobody will ever take them."""
        everything = [*gone, *(one for one, _ in refused)]
        oldest = await self._do(lambda: self._done(everything, refused))
        self.depth.facts -= len(everything)
        self.depth.bytes -= sum(_size(one.fact) for one in everything)
        self.depth.poison += len(refused)
        self.depth.oldest = oldest

    def on_disk(self) -> int:
        """Bytes of its files."""
        return sum(file.stat().st_size for file in self.folder.glob("spool.db*"))

    async def _do(self, work: Callable[[], T]) -> T:
        # Not cancelled half-way: what is under way in the thread is done, and must be known to be.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))

    def _open(self) -> Depth:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = sqlite3.connect(
            self.folder / "spool.db", isolation_level=None, check_same_thread=False, timeout=10
        )
        self._db.execute("pragma locking_mode=exclusive")  # one process: a second one fails at once
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=full")
        self._db.executescript(_TABLES)
        facts, size, oldest = self._db.execute(
            "select count(*), coalesce(sum(length(body) + length(headers)), 0), min(at) from waiting"
        ).fetchone()
        (poison,) = self._db.execute("select count(*) from poison").fetchone()
        return Depth(facts, size + facts * _ROW_BYTES, poison, oldest)

    def _insert(self, facts: Sequence[Fact], now: float) -> None:
        rows = [
            (str(fact.subject), fact.message_id, json.dumps(dict(fact.headers)), fact.body, now)
            for fact in facts
        ]
        with self._transaction():
            self._db.executemany(
                "insert into waiting (subject, message_id, headers, body, at) values (?, ?, ?, ?, ?)", rows
            )

    def _first(self, most: int, most_bytes: int) -> list[Spooled]:
        rows = self._db.execute(
            "select id, subject, message_id, headers, body from waiting order by id limit ?", (most,)
        )
        found = []
        for id_, subject, message_id, headers, body in rows:
            found.append(Spooled(id_, Fact(Subject.parse(subject), body, message_id, json.loads(headers))))
            most_bytes -= len(body)
            if most_bytes <= 0:
                break
        rows.close()
        return found

    def _done(self, gone: Sequence[Spooled], refused: Sequence[tuple[Spooled, str]]) -> float | None:
        with self._transaction():
            self._db.executemany(
                "insert or ignore into poison select *, ? from waiting where id = ?",
                [(reason, one.id) for one, reason in refused],
            )
            self._db.executemany("delete from waiting where id = ?", [(one.id,) for one in gone])
        (oldest,) = self._db.execute("select at from waiting order by id limit 1").fetchone() or (None,)
        return oldest

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._db)


class _Transaction:
    """`with`: all of it, synced, or nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("begin immediate")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None:
                self._db.execute("commit")
        finally:
            # After some failures SQLite has rolled back itself; after others no transaction could begin.
            if self._db.in_transaction:
                self._db.execute("rollback")


def _size(fact: Fact) -> int:
    return len(fact.body) + len(json.dumps(dict(fact.headers))) + _ROW_BYTES
