"""Gauges of reactors: read in the background, never by a scrape, and not by a consumer, which may be dead."""

import asyncio
import logging
from typing import Final

import psycopg

from api.operations.reactor_control import ReactorControl
from line.problems import StreamUnavailable
from runtime import metrics
from runtime.http.errors import HttpProblem

logger = logging.getLogger("foldline.reactors")

EVERY_S: Final = 5.0
_BOUND_S: Final = 10.0


class ReactorGauges:
    """Reads the status of all reactors into gauges; while servers are away the last reading stands."""

    def __init__(self, control: ReactorControl) -> None:
        self._control = control

    async def try_to_read(self) -> None:
        """Read once; a failure is logged, and the gauges stay as they were."""
        try:
            async with asyncio.timeout(_BOUND_S):
                await self.read()
        except (StreamUnavailable, psycopg.Error, OSError, HttpProblem) as exc:
            logger.info("reactors were not read, it is tried again in %g s: %s", EVERY_S, exc)
        except Exception:
            logger.exception("reactors were not read, it is tried again in %g s", EVERY_S)

    async def read(self) -> None:
        """Read once. Raises StreamUnavailable, HttpProblem when line or database is away."""
        # The lag of following reactors is among the gauges of followers.
        for one in await self._control.statuses(lags=False):
            metrics.REACTOR_PAUSED.labels(one.name).set(one.paused is not None)
            metrics.REACTOR_RUNNING.labels(one.name).set(one.state != "not running")
            if one.kind == "task":
                metrics.REACTOR_FAILING.labels(one.name).set(one.failing_total)
                if one.pending is not None:
                    metrics.REACTOR_PENDING.labels(one.name).set(one.pending)
