"""Runs of periodic reactors: every now and then, in one replica at a time."""

import logging

import psycopg

from consumers.engine.handler import NotYet
from consumers.reactors.declaration import PeriodicRun
from consumers.reactors.outcomes import Outcomes
from runtime.database.connections import connect
from runtime.database.engine.queries import engine_queries
from runtime.settings.database import DatabaseSettings

logger = logging.getLogger("foldline.reactors")


async def run_in_one_replica(
    config: DatabaseSettings, name: str, run: PeriodicRun, outcomes: Outcomes
) -> int | None:
    """Run once; None while another replica runs, or the reactor is paused. Raises what `run` raises."""
    async with await connect(config, name=f"foldline-{name}") as conn:
        cursor = await conn.execute(engine_queries()["try-reactor-lock"], {"name": name})
        row = await cursor.fetchone()
        if not row or not row[0]:
            return None
        with outcomes.measured(name):
            return await run(conn)


async def try_run(config: DatabaseSettings, name: str, run: PeriodicRun, outcomes: Outcomes) -> None:
    """Run once and log what goes wrong: the next run tries again."""
    try:
        await run_in_one_replica(config, name, run, outcomes)
    except (NotYet, psycopg.Error, OSError) as exc:
        logger.warning("%s: not done, the next run tries again: %s", name, exc)
    except Exception:
        logger.exception("%s: this run failed, the next one tries again", name)
