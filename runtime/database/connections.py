"""Connections to PostgreSQL, all in UTC and autocommit."""

import asyncio
import time
from typing import Any, Final

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from runtime.problems import Problem
from runtime.settings.database import DatabaseSettings

Connection = psycopg.AsyncConnection[TupleRow]

ONLY_ON_REQUEST: Final = 1 << 30
"""A `prepare_threshold` that prepares a statement only if the call asks for it, however often it runs."""

_OPTIONS: Final = "-c timezone=UTC -c client_min_messages=warning"
_BY_KEY: Final = " -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"


class DatabaseUnreachable(Problem):
    """PostgreSQL did not answer within the connect timeout; the message names the setting to look at."""


def _arguments(settings: DatabaseSettings, name: str) -> dict[str, Any]:
    return {
        "conninfo": settings.database_url or "",
        "application_name": name,
        "options": _OPTIONS,
        "connect_timeout": 5,
        # A peer that vanished is noticed, whether or not data is under way.
        "tcp_user_timeout": 10_000,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
    }


async def connect(settings: DatabaseSettings, *, name: str, by_key: bool = False) -> Connection:
    """Open one connection, outside of any pool. Raises psycopg's OperationalError when the server is away.

    `by_key`: no plan of its statements ever reads a whole table. For statements that look up rows by their
    keys: plans are kept, and one that was made while a table was small would go on reading all of it.
    """
    arguments = _arguments(settings, name)
    arguments["options"] += _BY_KEY if by_key else ""
    # prepare_threshold=None: a rebuild may change column types, and a prepared statement would fail for ever.
    # A caller that prepares statements all the same (ONLY_ON_REQUEST) replaces its connection then.
    return await psycopg.AsyncConnection.connect(**arguments, autocommit=True, prepare_threshold=None)


async def connect_with_retry(settings: DatabaseSettings, *, name: str) -> Connection:
    """Connect at process start, retrying for `connect_timeout` seconds. Raises DatabaseUnreachable."""
    deadline = time.monotonic() + settings.connect_timeout
    while True:
        try:
            return await connect(settings, name=name)
        except psycopg.ProgrammingError as exc:  # of the address: nothing is asked yet
            raise DatabaseUnreachable(
                f"the address of PostgreSQL cannot be read: {exc}", "FOLDLINE_DATABASE_URL"
            ) from exc
        except psycopg.OperationalError as exc:
            if time.monotonic() >= deadline:
                reason = str(exc).strip().splitlines()[-1]
                raise DatabaseUnreachable(
                    f"PostgreSQL does not answer: {reason}", "FOLDLINE_DATABASE_URL"
                ) from exc
            await asyncio.sleep(0.2)


def pool(settings: DatabaseSettings, *, name: str) -> AsyncConnectionPool[Connection]:
    """Return a pool for readers, to be opened with `async with`. No statement runs longer than 30 s."""
    arguments = _arguments(settings, name)
    arguments["options"] += " -c statement_timeout=30s"
    return AsyncConnectionPool(
        arguments.pop("conninfo"),
        kwargs=arguments | {"autocommit": True, "prepare_threshold": None},
        min_size=2,
        max_size=settings.pool_size,
        timeout=5,
        open=False,
        check=None,
        name=name,
        reconnect_timeout=5,
    )
