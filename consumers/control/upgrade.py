"""Upgrading: where the live read model is of an older version, a consumer of the new program rebuilds it.

Consumers of the old program, as long as there are any, fold the old generation meanwhile; readers see that
one until the swap.
"""

import asyncio
import logging
import time
from typing import Any, Final

import psycopg
from nats.aio.client import Client

from consumers.control.loss import WouldLose
from consumers.control.rebuild import RebuildCancelled, rebuild
from consumers.control.rebuild_progress import RebuildProgress
from projections.generations import Role, generations
from projections.projection import Projection
from runtime.database.connections import connect
from runtime.problems import Problem
from runtime.settings.database import FoldSettings

logger = logging.getLogger("foldline.upgrade")

_TRY_AGAIN_S: Final = 5.0
_ASK_AGAIN_S: Final = 60.0
_LOG_EVERY_S: Final = 10.0


async def upgrade(projection: Projection[Any, Any], config: FoldSettings, nc: Client) -> None:
    """Return once the live generation is of this program's version, whoever built it.

    One consumer at a time builds, the others try again every 5 seconds. Returns early if the rebuild is
    cancelled.
    """
    name, version = projection.name, projection.version
    while True:
        try:
            async with await connect(config, name="foldline-upgrade") as conn:
                live = (await generations(conn, name))[Role.LIVE]
            if live.version >= version:
                return
            logger.info("%s: version %d is live, building version %d", name, live.version, version)
            await rebuild(projection, config, nc, report=_ProgressLog())
        except RebuildCancelled as exc:
            logger.warning("%s", exc)
            return
        except WouldLose as exc:
            logger.warning(
                "%s: version %d is not live, and an operator has to decide: %s", name, version, exc
            )
            await asyncio.sleep(_ASK_AGAIN_S)
        except (Problem, psycopg.Error, OSError) as exc:
            logger.info("%s: version %d is not live yet, trying again: %s", name, version, exc)
            await asyncio.sleep(_TRY_AGAIN_S)


class _ProgressLog:
    """Logs a reading every 10 seconds, and the last one."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, now: RebuildProgress) -> None:
        if time.monotonic() < self._next and now.phase != "done":
            return
        self._next = time.monotonic() + _LOG_EVERY_S
        logger.info(
            "%s: %s, %d of %d events, %.0f/s", now.projection, now.phase, now.events, now.total, now.rate
        )
