"""Facts that wait on disk for the line: in order, synced before they count as accepted, bounded."""

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from producers.sidecar.sqlite_file import SqliteFile, transaction
from schemas.facts import Fact
from schemas.subjects import Subject

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
_TRIED_BYTES: Final = 1 << 16
_ROW_BYTES: Final = 200  # what a row takes beside its texts, roughly


class SpoolFull(Exception):
    """The spool takes nothing more until the line is back: it keeps what was accepted, not what is new."""


class Spooled(NamedTuple):
    """A fact that waits, and its number in the order of the spool."""

    id: int
    fact: Fact


@dataclass(slots=True)
class Depth:
    """The facts that wait, counted when they are accepted, not when they are written."""

    facts: int = 0
    bytes: int = 0
    poison: int = 0  # facts set aside, which the line refused for good
    oldest: float | None = None  # when the first of them was accepted, Unix time


class Spool:
    """The spool of one process, in the file `spool.db` of a folder. Every method raises sqlite3.Error."""

    def __init__(self, folder: Path, *, max_facts: int, max_bytes: int) -> None:
        self.folder = folder
        self.depth = Depth()
        self._max_facts = max_facts
        self._max_bytes = max_bytes
        self._file = SqliteFile(folder / "spool.db", _TABLES)

    async def open(self) -> None:
        """Take up what an earlier process left. Raises OSError as well."""
        await self._file.open()
        self.depth = await self._file.run(_count)

    async def close(self) -> None:
        """Close the file after the last transaction."""
        await self._file.close()

    async def put(self, facts: Sequence[Fact]) -> None:
        """Store facts behind those that wait; they are synced when this returns. Raises SpoolFull."""
        size = sum(map(_size, facts))
        if self.depth.facts + len(facts) > self._max_facts or self.depth.bytes + size > self._max_bytes:
            raise SpoolFull(self._full())
        now = time.time()
        self.depth.facts += len(facts)
        self.depth.bytes += size
        self.depth.oldest = self.depth.oldest or now
        try:
            await self._file.run(lambda db: _insert(db, facts, now))
        except BaseException:
            self.depth.facts -= len(facts)
            self.depth.bytes -= size
            raise

    async def try_write(self) -> None:
        """Write and sync as for a fact, and leave nothing of it. Raises SpoolFull, sqlite3.Error."""
        if self.depth.facts >= self._max_facts or self.depth.bytes >= self._max_bytes:
            raise SpoolFull(self._full())
        await self._file.run(_write_and_delete)

    def _full(self) -> str:
        return (
            f"{self.depth.facts} events of {self.depth.bytes} bytes wait for the event stream, at most "
            f"{self._max_facts} events and {self._max_bytes} bytes are kept"
        )

    async def first(self, max_facts: int, max_bytes: int) -> list[Spooled]:
        """Return the facts that have waited longest, in order: at least one, if any waits."""
        return await self._file.run(lambda db: _first(db, max_facts, max_bytes))

    async def done(self, stored: Sequence[Spooled], refused: Sequence[tuple[Spooled, str]] = ()) -> None:
        """Remove facts that the line stored, and set those aside, with a reason, that it refused for good."""
        everything = [*stored, *(one for one, _ in refused)]
        oldest = await self._file.run(lambda db: _remove(db, everything, refused))
        self.depth.facts -= len(everything)
        self.depth.bytes -= sum(_size(one.fact) for one in everything)
        self.depth.poison += len(refused)
        self.depth.oldest = oldest

    def on_disk(self) -> int:
        """Return the size of the spool's files in bytes."""
        return self._file.on_disk()


def _count(db: sqlite3.Connection) -> Depth:
    facts, size, oldest = db.execute(
        "select count(*), coalesce(sum(length(body) + length(headers)), 0), min(at) from waiting"
    ).fetchone()
    (poison,) = db.execute("select count(*) from poison").fetchone()
    return Depth(facts, size + facts * _ROW_BYTES, poison, oldest)


def _insert(db: sqlite3.Connection, facts: Sequence[Fact], now: float) -> None:
    rows = [
        (str(fact.subject), fact.message_id, json.dumps(dict(fact.headers)), fact.body, now) for fact in facts
    ]
    with transaction(db):
        db.executemany(
            "insert into waiting (subject, message_id, headers, body, at) values (?, ?, ?, ?, ?)", rows
        )


def _write_and_delete(db: sqlite3.Connection) -> None:
    with transaction(db):
        # The pages go back into the file: it grows by them once.
        cursor = db.execute(
            "insert into waiting (subject, message_id, headers, body, at)"
            " values ('', '', '', zeroblob(?), 0)",
            (_TRIED_BYTES,),
        )
        db.execute("delete from waiting where id = ?", (cursor.lastrowid,))


def _first(db: sqlite3.Connection, max_facts: int, max_bytes: int) -> list[Spooled]:
    rows = db.execute(
        "select id, subject, message_id, headers, body from waiting order by id limit ?", (max_facts,)
    )
    found = []
    for id_, subject, message_id, headers, body in rows:
        found.append(Spooled(id_, Fact(Subject.parse(subject), body, message_id, json.loads(headers))))
        max_bytes -= len(body)
        if max_bytes <= 0:
            break
    rows.close()
    return found


def _remove(
    db: sqlite3.Connection, everything: Sequence[Spooled], refused: Sequence[tuple[Spooled, str]]
) -> float | None:
    """Delete all from those that wait, keep the refused as poison, and return when the next was accepted."""
    with transaction(db):
        db.executemany(
            "insert or ignore into poison select *, ? from waiting where id = ?",
            [(reason, one.id) for one, reason in refused],
        )
        db.executemany("delete from waiting where id = ?", [(one.id,) for one in everything])
    (oldest,) = db.execute("select at from waiting order by id limit 1").fetchone() or (None,)
    return oldest


def _size(fact: Fact) -> int:
    return len(fact.body) + len(json.dumps(dict(fact.headers))) + _ROW_BYTES
