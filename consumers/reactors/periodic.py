"""Reactors that act every now and then, one replica at a time."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import psycopg

from consumers.engine.handler import NotYet
from runtime.database.connections import Connection, connect
from runtime.database.engine.queries import engine_queries
from runtime.settings import Settings

logger = logging.getLogger("foldline.reactors")

QUERIES: Final = engine_queries()

Round = Callable[[Connection], Awaitable[int]]
"""One round over a connection of its own; answers how much it did. May raise NotYet or psycopg.Error."""


async def one_round(config: Settings, name: str, act: Round) -> int | None:
    """A round unless another replica is in the midst of one: then None. Raises what `act` raises."""
    async with await connect(config, name=f"foldline-{name}") as conn:
        row = await (await conn.execute(QUERIES["try-reactor-lock"], {"name": name})).fetchone()
        return await act(conn) if row and row[0] else None


async def try_round(config: Settings, name: str, act: Round) -> None:
    """A round; what went wrong is logged, and the next one tries again."""
    try:
        await one_round(config, name, act)
    except (NotYet, psycopg.Error, OSError) as exc:
        logger.warning("%s: %s", name, exc)
    except Exception:
        logger.exception("%s: this round failed", name)
