"""Metrics of a session: gauges, counters, histograms, timers."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import RLock
from typing import Any
from weakref import WeakSet

from foldline_client.bodies import Tags, metric_body, texts
from foldline_client.items import METRIC, SessionRef, time_text
from foldline_client.jsontext import safe_str
from foldline_client.recorder import PumpRunner, Recorder

_recorders: "WeakSet[MetricRecorder]" = WeakSet()


class MetricRecorder(Recorder):
    """Records metrics. A value that is not a finite number is counted as rejected, and logged."""

    def __init__(self, runner: PumpRunner, ref: SessionRef) -> None:
        super().__init__(runner, ref)
        self._totals: dict[tuple[str, object], float] = {}
        self._totals_lock = RLock()
        _recorders.add(self)

    def log_metric(
        self,
        name: str,
        value: float,
        tags: Tags | None = None,
        metric_type: str = "gauge",
        count: int | None = None,
        unit: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Record one number. `metric_type` is gauge, counter, histogram or timer."""
        body = metric_body(
            name,
            value,
            time=time_text(),
            tags=tags,
            metric_type=metric_type,
            count=count,
            unit=unit,
            metadata=metadata,
        )
        if body is None:
            self._runner.pump.refuse(
                f"metric {name!r} of session {self._ref.id}: {safe_str(value)} is not a finite number"
            )
        else:
            self._record(METRIC, body)

    def log_gauge(self, name: str, value: float, tags: Tags | None = None, unit: str | None = None) -> None:
        """Record the value that something has now."""
        self.log_metric(name, value, tags, "gauge", unit=unit)

    def log_counter(
        self, name: str, delta: float = 1, tags: Tags | None = None, unit: str | None = None
    ) -> None:
        """Add `delta` (not negative) to a counter.

        The total since the session's start is kept here, by name and tags, and sent each time: a lost total
        is made good by the next one. Raises ValueError for a negative delta.
        """
        if not delta >= 0:
            raise ValueError(f"delta={delta!r} is not 0 or more: a counter only goes up")
        listed = tags if isinstance(tags, Mapping) else texts(tags)
        key = (name, _tag_key(listed))
        # The lock is held until the total is in the buffer, so that totals arrive in order.
        with self._totals_lock:
            total = self._totals[key] = self._totals.get(key, 0) + delta
            self.log_metric(name, total, listed, "counter", unit=unit)

    def log_histogram(
        self,
        name: str,
        value: float,
        unit: str | None = None,
        tags: Tags | None = None,
        buckets: Iterable[float] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Record one observation of a distribution, as it is: nothing is aggregated here.

        `buckets`, upper bounds for whoever draws it, are sent in the metadata as `bounds`.
        """
        if buckets is not None:
            metadata = {**(metadata or {}), "bounds": list(buckets)}
        self.log_metric(name, value, tags, "histogram", unit=unit, metadata=metadata)

    def log_timer(
        self,
        name: str,
        duration: float,
        count: int | None = None,
        unit: str = "seconds",
        tags: Tags | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Record how long something took, in `unit`, and for how many things if `count` is given."""
        self.log_metric(name, duration, tags, "timer", count, unit, metadata)

    @contextmanager
    def timer(
        self,
        name: str,
        count: int | None = None,
        tags: Tags | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Iterator[None]:
        """Record how long the block takes, seconds. If it raises, the metadata names the exception."""
        started = time.perf_counter()
        try:
            yield
        except BaseException as exc:
            metadata = {**(metadata or {}), "exception": type(exc).__name__}
            raise
        finally:
            self.log_timer(name, time.perf_counter() - started, count, "seconds", tags, metadata)


def _tag_key(tags: Mapping[str, Any] | list[str] | None) -> object:
    if isinstance(tags, Mapping):
        return tuple(sorted((safe_str(name), safe_str(value)) for name, value in tags.items()))
    return tuple(sorted(tags or ()))


def _after_fork() -> None:
    # A thread of the parent may have been counting: nobody is left to release its lock.
    for recorder in list(_recorders):
        recorder._totals_lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
