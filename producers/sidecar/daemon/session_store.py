"""The daemon's sessions on disk: a restart goes on with the same totals and the same parent processes."""

import asyncio
import json
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from producers.sidecar.daemon.aggregates import Aggregate
from producers.sidecar.daemon.watched_session import AGGREGATE, SessionRecord, WatchedSession
from producers.sidecar.sqlite_file import SqliteFile, transaction

Statement = tuple[str, tuple[Any, ...]]

# A `tally` is an aggregate: files keep the name with which they were made.
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
_KEEP_SESSION: Final = "insert or replace into session values (?, ?)"
_KEEP_AGGREGATE: Final = "insert or replace into tally values (?, ?, ?)"
_KEEP_SENT_STATE: Final = "insert or replace into sent values (?, ?)"
_FORGET: Final = (
    "delete from session where id = ?",
    "delete from tally where session = ?",
    "delete from sent where session = ?",
)


class StoredSession(NamedTuple):
    """A session that an earlier process left; its state as last sent is empty where that is not known."""

    record: SessionRecord
    aggregates: dict[str, Aggregate]
    sent: dict[str, str]


class SessionStore:
    """The sessions of one process, in the file `daemon.db`. A change is synced when its method returns.

    Changes that come while a transaction is under way are the next transaction. Every method raises
    sqlite3.Error.
    """

    def __init__(self, folder: Path) -> None:
        self._file = SqliteFile(folder / "daemon.db", _TABLES)
        self._statements: list[Statement] = []
        self._next: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> list[StoredSession]:
        """Return the sessions that an earlier process left. Raises OSError as well."""
        await self._file.open()
        return await self._file.run(_load)

    async def close(self, sessions: Iterable[WatchedSession]) -> None:
        """Keep the sessions with their state as last sent, and close the file.

        A process that is killed leaves no such state, rather than one that is too old.
        """
        rest = [(session.record, session.sent.values()) for session in sessions]
        await self._write([_kept(record) for record, _ in rest])
        await self._write([(_KEEP_SENT_STATE, (record.id, json.dumps(sent))) for record, sent in rest])
        await self._file.close()

    async def keep(self, record: SessionRecord) -> None:
        """Keep a session that is new or changed."""
        await self._write([_kept(record)])

    async def keep_aggregate(self, session_id: str, key: str, value: Aggregate) -> None:
        """Keep a counter or histogram of a session."""
        await self._write([(_KEEP_AGGREGATE, (session_id, key, value.model_dump_json()))])

    async def forget(self, session_id: str) -> None:
        """Delete a session that is over."""
        await self._write([(statement, (session_id,)) for statement in _FORGET])

    async def _write(self, statements: Sequence[Statement]) -> None:
        if self._next is None:
            self._next = asyncio.create_task(self._write_next())
        self._statements += statements
        await asyncio.shield(self._next)

    async def _write_next(self) -> None:
        async with self._turn:
            statements, self._statements, self._next = self._statements, [], None
            await self._file.run(lambda db: _execute(db, statements))


def _execute(db: sqlite3.Connection, statements: Sequence[Statement]) -> None:
    with transaction(db):
        for statement, values in statements:
            db.execute(statement, values)


def _load(db: sqlite3.Connection) -> list[StoredSession]:
    sent = {session: json.loads(state) for session, state in db.execute("select * from sent")}
    # From here on they may be older than what is sent, should this process be killed.
    db.execute("delete from sent")
    aggregates: dict[str, dict[str, Aggregate]] = {}
    for session, key, value in db.execute("select session, key, value from tally"):
        aggregates.setdefault(session, {})[key] = AGGREGATE.validate_json(value)
    return [
        StoredSession(SessionRecord.model_validate_json(record), aggregates.get(id_, {}), sent.get(id_, {}))
        for id_, record in db.execute("select id, record from session")
    ]


def _kept(record: SessionRecord) -> Statement:
    return _KEEP_SESSION, (record.id, record.model_dump_json())
