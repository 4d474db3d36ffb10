"""Catching a consumer between the first row it wrote and its commit, and telling what became of it."""

import time
from typing import NamedTuple

import psycopg

_CAUGHT = """
select l.owner, a.pid, a.backend_xid::text
from pg_stat_activity a
join foldline.lease l on l.backend_pid = a.pid and l.follower = 'sessions'
where a.application_name = 'foldline sessions' and a.backend_xid is not null and exists (
    select from pg_locks k
    where k.pid = a.pid and k.mode = 'RowExclusiveLock' and k.granted and k.relation = any(
        array['sessions.event', 'sessions.metric', 'sessions.patch']::regclass[]
    )
)
limit 1
"""


class Caught(NamedTuple):
    """An open batch: its consumer, backend and transaction."""

    consumer: int  # pid
    backend: int
    transaction: str


class Transactions:
    """A watcher that looks at PostgreSQL as fast as it can, for a thread of its own."""

    def __init__(self, dsn: str) -> None:
        self._db = psycopg.connect(dsn, autocommit=True)

    def catch(self, timeout: float = 60) -> Caught:
        """Return the next batch that has written rows of a timeline and has not committed."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            row = self._db.execute(_CAUGHT, prepare=True).fetchone()
            if row is not None:
                return Caught(int(row[0].split("-")[-2]), row[1], row[2])
        raise AssertionError("no batch was seen between its first row and its commit")

    def still_open(self, caught: Caught) -> bool:
        """Return whether it waits for its consumer: idle in its transaction at two looks in a row."""
        for _ in range(2):
            row = self._db.execute(
                "select state = 'idle in transaction' or wait_event = 'ClientRead' from pg_stat_activity"
                " where pid = %s and backend_xid::text = %s",
                (caught.backend, caught.transaction),
            ).fetchone()
            if row is None or not row[0]:
                return False
        return True

    def outcome(self, caught: Caught, timeout: float = 30) -> str:
        """Wait for its end and return `aborted` or `committed`."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            row = self._db.execute("select pg_xact_status(%s::xid8)", (caught.transaction,)).fetchone()
            if row is not None and row[0] != "in progress":
                return str(row[0])
        raise AssertionError(f"transaction {caught.transaction} does not end")

    def close(self) -> None:
        self._db.close()
