"""The collector of jobs: metrics that the read model and the machine know, read for a scrape."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psutil
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import REGISTRY, Collector

from api.jobs.measured_reads import measured_read
from api.reading.reader import Reader
from projections.jobs.views import JobViews
from runtime import metrics
from runtime.http.errors import HttpProblem

BOUNDS: Final = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_FRESH_S: Final = 15.0
_BOUND_S: Final = 2.0


class JobsCollector(Collector):
    """Counts jobs and their durations, at most once in 15 s; without an answer it shows nothing."""

    def __init__(self, reader: Reader, views: JobViews) -> None:
        self._reader = reader
        self._views = views
        self._asked = float("-inf")
        self._turn = asyncio.Lock()
        self._durations: list[tuple[float, int]] = []  # upper bound, and how many jobs took less
        self._seconds = 0.0  # of all ended jobs together

    async def refresh(self) -> None:
        """Bring all metrics up to date, for a scrape."""
        metrics.SYSTEM_CPU.set(psutil.cpu_percent())
        metrics.SYSTEM_MEMORY.set(psutil.virtual_memory().used)
        size, available = self._reader.connections()
        metrics.DB_POOL_SIZE.set(size)
        metrics.DB_POOL_AVAILABLE.set(available)
        async with self._turn:
            if time.monotonic() - self._asked < _FRESH_S:
                return
            self._asked = time.monotonic()
            try:
                async with asyncio.timeout(_BOUND_S):
                    with measured_read("tally"):
                        numbers = await self._reader.read(lambda conn: self._views.numbers(conn, BOUNDS))
            except (HttpProblem, TimeoutError):
                metrics.JOBS_BY_STATUS.clear()
                self._durations = []
                return
            metrics.JOBS_BY_STATUS.clear()
            for (app_name, status), count in numbers.by_status.items():
                metrics.JOBS_BY_STATUS.labels(app_name, status).set(count)
            self._durations, self._seconds = numbers.durations, numbers.seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield `job_duration_seconds`, from the read model's histograms."""
        if self._durations:
            buckets = [("+Inf" if bound == float("inf") else str(bound), n) for bound, n in self._durations]
            yield HistogramMetricFamily(
                "job_duration_seconds", "Durations of ended jobs.", buckets=buckets, sum_value=self._seconds
            )

    @contextmanager
    def registered(self) -> Iterator[None]:
        """Be part of the process's metrics for the length of the block."""
        REGISTRY.register(self)
        try:
            yield
        finally:
            REGISTRY.unregister(self)
