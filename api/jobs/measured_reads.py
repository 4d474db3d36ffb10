"""Metrics of the database reads of a jobs surface."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from runtime import metrics


@contextmanager
def measured_read(table: str) -> Iterator[None]:
    """Count the read in the block with its outcome and duration."""
    started, status = time.perf_counter(), "error"
    try:
        yield
        status = "ok"
    finally:
        metrics.DB_OPERATIONS.labels("select", table, status).inc()
        metrics.DB_SECONDS.labels("select", table).observe(time.perf_counter() - started)
