"""Database access of all read routes: after the position asked for, on a lent connection, in bounded time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from typing import Final, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from api.reading.places import a_place
from api.reading.positions import requested_positions
from line.progress import Progress
from projections.catalogue import projections_of
from runtime.database.connections import ONLY_ON_REQUEST, Connection, connect
from runtime.http.errors import unavailable
from runtime.http.waits import WAIT, wanted_wait
from runtime.settings.http import ReadSettings
from schemas.positions import format_positions

T = TypeVar("T")

_EXPORTS: Final = 4  # at once
_SHOWN: Final = 200  # characters of positions in an error
_SWAPS: Final = 5  # generations that become live while one read begins: more is no coincidence
NOT_INSTALLED: Final = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InvalidSchemaName,
)
NOT_SET_UP: Final = "the read model is not set up yet: no consumer has run on this database"


class Reader:
    """Runs the reads of one process, and turns what goes wrong with the database into HTTP errors."""

    def __init__(
        self, settings: ReadSettings, pool: AsyncConnectionPool[Connection], progress: Progress
    ) -> None:
        self.settings = settings
        self._pool = pool
        self._progress = progress
        self._exports = asyncio.Semaphore(_EXPORTS)
        self._pages = asyncio.Semaphore(max(1, settings.pool_size // 2))
        self._followed = {
            projection.name: {stream.name for stream in projection.streams}
            for projection in projections_of(settings.endpoints)
        }

    def connections(self) -> tuple[int, int]:
        """Return how many connections the pool has, and how many of them are idle."""
        stats = self._pool.get_stats()
        return stats.get("pool_size", 0), stats.get("pool_available", 0)

    async def wait_for_positions(self, projection: str, headers: Mapping[str, str]) -> None:
        """Wait until the projection has passed what a request names. Raises HttpProblem (400, 503).

        Clients keep positions of all their writes. What is on a stream that the projection does not follow
        changes nothing in it, and is not waited for.
        """
        followed = self._followed[projection]
        positions = [one for one in requested_positions(headers, self.settings) if one.stream in followed]
        seconds = wanted_wait(headers, self.settings)
        if positions and not await self._progress.wait(projection, positions, seconds):
            asked = format_positions(positions)[:_SHOWN]
            raise unavailable(
                f"the read model has not reached position {asked} within {seconds:g} s:"
                f" try again, or wait longer ({WAIT})"
            )

    async def read(self, query: Callable[[Connection], Awaitable[T]]) -> T:
        """Run one query. Raises HttpProblem (503) when PostgreSQL is away, busy or not set up."""
        async with AsyncExitStack() as stack:

            async def enter(conn: Connection, _: AsyncExitStack) -> T:
                return await query(conn)

            return await self._pooled(stack, enter)

    async def lend(
        self,
        stack: AsyncExitStack,
        manager: Callable[[Connection], AbstractAsyncContextManager[T]],
        *,
        long: bool,
    ) -> T:
        """Enter a context on a connection that is lent until `stack` is closed. Raises HttpProblem (503).

        `long` contexts, which last as long as a client cares to read, get connections beside the pool; the
        others get at most half of the pool, so that clients that read slowly never keep a session from being
        read.
        """

        async def enter(conn: Connection, attempt: AsyncExitStack) -> T:
            return await attempt.enter_async_context(manager(conn))

        if not long:
            await stack.enter_async_context(a_place(self._pages, "lists are being sent"))
            return await self._pooled(stack, enter)
        with _as_http_problem():
            conn = await stack.enter_async_context(self._own_connection())
            for _ in range(_SWAPS):
                with suppress(psycopg.errors.SerializationFailure):
                    return await enter(conn, stack)
            raise psycopg.OperationalError("the read model is swapped again and again")

    async def _pooled(
        self, stack: AsyncExitStack, enter: Callable[[Connection, AsyncExitStack], Awaitable[T]]
    ) -> T:
        with _as_http_problem():
            # After a restart of PostgreSQL every pooled connection is dead, and shows it only when used.
            for _ in range(self.settings.pool_size + 1):
                async with AsyncExitStack() as attempt:
                    conn = await attempt.enter_async_context(self._pool.connection())
                    conn.prepare_threshold = ONLY_ON_REQUEST
                    try:
                        result = await enter(conn, attempt)
                    except psycopg.errors.FeatureNotSupported:
                        await conn.close()  # a rebuild changed a type: its prepared plans fail from now on
                        continue
                    except psycopg.errors.SerializationFailure:
                        continue  # another generation became live meanwhile
                    except psycopg.OperationalError:
                        if conn.closed:
                            continue
                        raise
                    stack.push_async_exit(attempt.pop_all())
                    return result
            raise psycopg.OperationalError("every connection was lost")

    @asynccontextmanager
    async def _own_connection(self) -> AsyncIterator[Connection]:
        async with (
            a_place(self._exports, "exports are running"),
            await connect(self.settings, name="foldline-export") as conn,
        ):
            yield conn


@contextmanager
def _as_http_problem() -> Iterator[None]:
    try:
        yield
    except NOT_INSTALLED:
        raise unavailable(NOT_SET_UP) from None
    except psycopg.errors.QueryCanceled:
        raise unavailable("the query took too long: ask for less at once") from None
    except (psycopg.errors.ProgramLimitExceeded, psycopg.errors.OutOfMemory):
        raise unavailable("the answer is larger than PostgreSQL can build: read it in pages") from None
    except PoolTimeout:
        raise unavailable("no connection to PostgreSQL is free, or it is away; try again") from None
    except (psycopg.OperationalError, psycopg.InterfaceError):
        raise unavailable("PostgreSQL does not answer; try again") from None
