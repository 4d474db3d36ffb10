"""Lag in numbers: every follower measured against the line, in the background and never by a scrape."""

import asyncio
import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import psycopg
from nats.aio.client import Client

from api.reading.reader import Reader
from line.lag import LagProbe, summed
from line.problems import StreamUnavailable
from line.status import FollowerDetails, read_followers
from runtime import metrics
from runtime.http.errors import HttpProblem

logger = logging.getLogger("foldline.lag")

EVERY: Final = 5.0
_BOUND_S: Final = 30.0

_PLACE = tuple[str, str, int]
"""Follower, stream and partition."""


class LagMeter:
    """Measures again and again, one measurement at a time; the last one stands while servers are away."""

    def __init__(self, reader: Reader, nc: Client) -> None:
        self._reader = reader
        self._meter = LagProbe(nc)
        self._stuck: dict[_PLACE, tuple[int, float]] = {}  # checkpoint with lag → seen first, monotonic

    async def try_to_measure(self) -> None:
        """Once; what went wrong is logged, and the gauges stay as they were."""
        try:
            await self.measure()
        except (StreamUnavailable, psycopg.Error, OSError, HttpProblem) as exc:
            logger.info("lag not measured: %s", exc)
        except Exception:
            logger.exception("lag not measured")

    async def measure(self) -> None:
        """Once. Raises StreamUnavailable, TimeoutError, HttpProblem when line or database is away."""
        async with asyncio.timeout(_BOUND_S):
            readings = await self._reader.read(lambda conn: read_followers(self._meter, conn))
        self._export(readings)

    def _export(self, readings: Iterable[FollowerDetails]) -> None:
        # No await: a scrape never sees half of it. Followers that went away take their gauges along.
        for gauge in (
            metrics.FOLLOWER_LAG_EVENTS,
            metrics.FOLLOWER_LAG_SECONDS,
            metrics.CHECKPOINT_AGE,
            metrics.PARTITIONS_UNHELD,
            metrics.PARTITIONS_PAUSED,
            metrics.PARKED_ENTITIES,
        ):
            gauge.clear()
        before, self._stuck = self._stuck, {}
        now, clock = datetime.now(UTC), time.monotonic()
        for reading in readings:
            metrics.PARTITIONS_UNHELD.labels(reading.name).set(len(reading.unheld))
            metrics.PARTITIONS_PAUSED.labels(reading.name).set(sum(map(len, reading.paused.values())))
            metrics.PARKED_ENTITIES.labels(reading.name).set(reading.parked)
            for stream, lags in reading.lags.items():
                lag = summed(lags.values())
                metrics.FOLLOWER_LAG_EVENTS.labels(reading.name, stream).set(lag.events)
                metrics.FOLLOWER_LAG_SECONDS.labels(reading.name, stream).set(lag.seconds(now))
                oldest = clock
                for part in (part for part, one in lags.items() if one.events):
                    place, at = (reading.name, stream, part), reading.checkpoints[stream][part]
                    known = before.get(place)
                    self._stuck[place] = known if known and known[0] == at else (at, clock)
                    oldest = min(oldest, self._stuck[place][1])
                metrics.CHECKPOINT_AGE.labels(reading.name, stream).set(clock - oldest)
        metrics.LAG_MEASURED.set(now.timestamp())
