"""Starting while NATS or PostgreSQL restarts: what they interrupted is tried again."""

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


async def started(begin: Callable[[], Awaitable[T]], *, within: float) -> T:
    """What `begin` returns; it is called again when a server went away under it, unless `within` s are over.

    What a call that failed leaves open is for the next one to take up. It has bounds of its own for servers
    that do not answer at all. Raises Problem; what else `begin` raises goes through.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            return await begin()
        except _WENT_AWAY as exc:
            reason = (str(exc).strip() or type(exc).__name__).splitlines()[0]
            if time.monotonic() >= deadline:
                raise Problem(f"cannot start: {reason}") from exc
            logger.warning("starting again: %s", reason)
        await asyncio.sleep(_PAUSE_S)
