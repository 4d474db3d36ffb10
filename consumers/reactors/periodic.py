"""Reactors that act every now and then, in one replica at a time."""

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

PeriodicRun = Callable[[Connection], Awaitable[int]]
"""One run over a connection of its own; returns how much it did. May raise NotYet or psycopg.Error."""


async def run_in_one_replica(config: Settings, name: str, run: PeriodicRun) -> int | None:
    """Run once; None while another replica runs. Raises what `run` raises."""
    async with await connect(config, name=f"foldline-{name}") as conn:
        row = await (await conn.execute(QUERIES["try-reactor-lock"], {"name": name})).fetchone()
        return await run(conn) if row and row[0] else None


async def try_run(config: Settings, name: str, run: PeriodicRun) -> None:
    """Run once and log what goes wrong: the next run tries again."""
    try:
        await run_in_one_replica(config, name, run)
    except (NotYet, psycopg.Error, OSError) as exc:
        logger.warning("%s: not done, the next run tries again: %s", name, exc)
    except Exception:
        logger.exception("%s: this run failed, the next one tries again", name)
