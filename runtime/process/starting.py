"""Starting while NATS or PostgreSQL restarts: a start that they interrupt is tried again."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import psycopg
from nats.errors import Error

from runtime.problems import Problem, TemporaryProblem

T = TypeVar("T")

logger = logging.getLogger("foldline.starting")

_WENT_AWAY: Final = (
    ConnectionError,
    TimeoutError,
    Error,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    TemporaryProblem,
)
_PAUSE_S: Final = 0.2


async def start_with_retry(begin: Callable[[], Awaitable[T]], *, timeout: float) -> T:
    """Return what `begin` returns, calling it again whenever a server went away under it.

    After `timeout` seconds a failure is final: raises Problem. Any other exception of `begin` is raised at
    once. `begin` itself bounds its waits for servers that do not answer at all; what a call that failed has
    left open, the next one takes up.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return await begin()
        except _WENT_AWAY as exc:
            reason = (str(exc).strip() or type(exc).__name__).splitlines()[0]
            if time.monotonic() >= deadline:
                raise Problem(f"cannot start, tried for {timeout:g} s: {reason}") from exc
            logger.warning("starting again, a server went away: %s", reason)
        await asyncio.sleep(_PAUSE_S)
