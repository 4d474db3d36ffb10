"""Connections to PostgreSQL: the first one is retried, every one is in UTC and autocommit."""

import asyncio
import time
from typing import Any, Final

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from runtime.problems import Problem
from runtime.settings import Settings

Connection = psycopg.AsyncConnection[TupleRow]

ONLY_ON_REQUEST: Final = 1 << 30
"""`prepare_threshold` of a connection that prepares what asks for it, and nothing for having run often."""

_OPTIONS: Final = "-c timezone=UTC -c client_min_messages=warning"
_BY_KEY: Final = " -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"


class DatabaseUnreachable(Problem):
    """PostgreSQL did not answer within the connect timeout; the message names the setting to look at."""


def _arguments(settings: Settings, name: str) -> dict[str, Any]:
    return {
        "conninfo": settings.database_url or "",
        "application_name": name,
        "options": _OPTIONS,
        "connect_timeout": 5,
        # A peer that went away without a word is noticed, with and without data under way.
        "tcp_user_timeout": 10_000,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
    }


async def connect(settings: Settings, *, name: str, by_key: bool = False) -> Connection:
    """One connection of one's own; fails at once when the server is away.

    `by_key`: its statements look up rows by their keys, and no plan ever reads a whole table. Plans are kept:
    one that was made while a table was small would go on reading all of it.
    """
    arguments = _arguments(settings, name)
    arguments["options"] += _BY_KEY if by_key else ""
    # prepare_threshold=None: a rebuild may change column types under a prepared statement for ever. Who
    # prepares all the same (ONLY_ON_REQUEST) replaces the connection then.
    return await psycopg.AsyncConnection.connect(**arguments, autocommit=True, prepare_threshold=None)


async def connect_with_retry(settings: Settings, *, name: str) -> Connection:
    """The same at process start: retried for `connect_timeout` seconds. Raises DatabaseUnreachable."""
    deadline = time.monotonic() + settings.connect_timeout
    while True:
        try:
            return await connect(settings, name=name)
        except psycopg.OperationalError as exc:
            if time.monotonic() >= deadline:
                reason = str(exc).strip().splitlines()[-1]
                raise DatabaseUnreachable(
                    f"PostgreSQL does not answer: {reason}", "FOLDLINE_DATABASE_URL"
                ) from exc
            await asyncio.sleep(0.2)


def pool(settings: Settings, *, name: str) -> AsyncConnectionPool[Connection]:
    """A pool for readers; open it with `async with`. No statement runs longer than 30 s."""
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
