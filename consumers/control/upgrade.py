"""Upgrading: where the live read model is of an older version, a consumer of the new program rebuilds it.

Consumers of the old program, as long as there are any, fold the old generation meanwhile; readers see that
one until the switch.
"""

import asyncio
import logging
import time
from typing import Any, Final

import psycopg
from nats.aio.client import Client

from consumers.control.rebuild import Cancelled, rebuild
from consumers.control.rebuild_progress import Advance
from projections.generations import Role, generations
from projections.projection import Projection
from runtime.database.connections import connect
from runtime.problems import Problem
from runtime.settings import Settings

logger = logging.getLogger("foldline.upgrade")

_TRY_AGAIN_S: Final = 5.0
_TELL_EVERY_S: Final = 10.0


async def upgrade(projection: Projection[Any, Any], config: Settings, nc: Client) -> None:
    """Until the live generation is of our version, whoever built it; one consumer at a time does."""
    name, version = projection.name, projection.version
    while True:
        try:
            async with await connect(config, name="foldline-upgrade") as conn:
                live = (await generations(conn, name))[Role.LIVE]
            if live.version >= version:
                return
            logger.info("%s: version %d is live, building version %d", name, live.version, version)
            await rebuild(projection, config, nc, report=_Told())
        except Cancelled as exc:
            logger.warning("%s; it goes on with `foldline rebuild %s`", exc, name)
            return
        except (Problem, psycopg.Error, OSError) as exc:
            logger.info("%s: not upgraded yet: %s", name, exc)
            await asyncio.sleep(_TRY_AGAIN_S)


class _Told:
    """Logs readings now and then."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, now: Advance) -> None:
        if time.monotonic() < self._next and now.phase != "done":
            return
        self._next = time.monotonic() + _TELL_EVERY_S
        logger.info(
            "%s: %s, %d of %d events, %.0f/s", now.projection, now.phase, now.events, now.total, now.rate
        )
