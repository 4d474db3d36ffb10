"""Gauges of followers: each is measured against the line in the background, never by a scrape."""

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

EVERY_S: Final = 5.0
_BOUND_S: Final = 30.0

_CheckpointKey = tuple[str, str, int]
"""Follower, stream and partition of a checkpoint."""


class FollowerGauges:
    """Measures the lag of all followers into gauges; while servers are away the last measurement stands."""

    def __init__(self, reader: Reader, nc: Client) -> None:
        self._reader = reader
        self._probe = LagProbe(nc)
        self._stuck: dict[
            _CheckpointKey, tuple[int, float]
        ] = {}  # checkpoint with lag, seen first (monotonic)

    async def try_to_measure(self) -> None:
        """Measure once; a failure is logged, and the gauges stay as they were."""
        try:
            await self.measure()
        except (StreamUnavailable, psycopg.Error, OSError, HttpProblem) as exc:
            logger.info("the lag was not measured, it is tried again in %g s: %s", EVERY_S, exc)
        except Exception:
            logger.exception("the lag was not measured, it is tried again in %g s", EVERY_S)

    async def measure(self) -> None:
        """Measure once. Raises StreamUnavailable, TimeoutError, HttpProblem when line or database is away."""
        async with asyncio.timeout(_BOUND_S):
            readings = await self._reader.read(lambda conn: read_followers(self._probe, conn))
        self._export(readings)

    def _export(self, readings: Iterable[FollowerDetails]) -> None:
        # No await: a scrape never sees half of it. Followers that are gone lose their gauges.
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
                    key, at = (reading.name, stream, part), reading.checkpoints[stream][part]
                    known = before.get(key)
                    self._stuck[key] = known if known and known[0] == at else (at, clock)
                    oldest = min(oldest, self._stuck[key][1])
                metrics.CHECKPOINT_AGE.labels(reading.name, stream).set(clock - oldest)
        metrics.LAG_MEASURED.set(now.timestamp())
