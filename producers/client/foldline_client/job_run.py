"""One run of a job or subjob, and its events from start to end. Nothing here raises or waits."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from foldline_client.errors import ThrottledWarning
from foldline_client.items import SessionRef, time_text
from foldline_client.job_channel import JobChannel, channel_to
from foldline_client.job_events import EntityRef, Kind, Status, finite, job_body, token_of
from foldline_client.job_outcome import outcome_of
from foldline_client.job_spec import JobSpec
from foldline_client.job_usage import Usage

_NOTHING: Final[Mapping[str, Any]] = {}
_TICK: Final = timedelta(microseconds=1)
_channel_warning, _event_warning, _metric_warning = (
    ThrottledWarning(),
    ThrottledWarning(),
    ThrottledWarning(),
)


class JobRun:
    """A run. `job` is the run that it is a subjob of, if any: its events go through that one's channel."""

    def __init__(self, spec: JobSpec, id_: str, job: "JobRun | None") -> None:
        self.spec = spec
        self.root = self if job is None else job
        self.entity: EntityRef = spec.entity(id_, None if job is None else job.entity.job_id)
        self.channel: JobChannel | None = _channel_of(spec) if job is None else job.channel
        self.open = True
        self._ref = SessionRef(token_of(self.entity.job_id))
        self._pid = os.getpid()
        self._usage = Usage()
        self._last_time = datetime.min.replace(tzinfo=UTC)

    @property
    def outermost(self) -> bool:
        """Whether no run around this one ends after it in this process."""
        return self.root is self or not self.root.open or self.root._pid != self._pid

    def begin(self) -> None:
        """Record the start."""
        self._record("started", "running", metadata=self.spec.metadata, force=True)

    def progress(self, metrics: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> None:
        """Record progress. Metrics that are not finite numbers are left out, with a warning."""
        numbers = finite(metrics)
        if len(numbers) < len(metrics):
            left_out = ", ".join(name for name in metrics if name not in numbers)
            _metric_warning.warn(
                "job %s: metrics that are not finite numbers are left out: %s", self.entity.id, left_out
            )
        self._record("progress", "running", metrics=numbers, metadata=metadata)

    def end(self, error: BaseException | None) -> None:
        """Record the end, which `error` caused if there is one."""
        kind, status, metadata = outcome_of(error)
        self._record(kind, status, metrics=self._usage.metrics(), metadata=metadata, force=True)
        self.open = False

    def _record(
        self,
        kind: Kind,
        status: Status,
        *,
        metadata: Mapping[str, Any] | None,
        metrics: Mapping[str, float] = _NOTHING,
        force: bool = False,
    ) -> None:
        if self.channel is None:
            return
        try:
            body = job_body(
                self.root.spec.options.site,
                self.spec.app,
                self.entity,
                kind,
                at=self._time(),
                status=status,
                metrics=metrics,
                metadata=_NOTHING if metadata is None else metadata,
            )
            self.channel.pump.submit(self._ref, kind, body, force=force)
        except Exception as exc:  # whatever it is, the job matters more
            _event_warning.warn("job %s: its event %r is not recorded: %r", self.entity.id, kind, exc)

    def _time(self) -> str:
        # A clock that is set back must not make the end older than the start.
        self._last_time = max(datetime.now(UTC), self._last_time + _TICK)
        return time_text(self._last_time)


def _channel_of(spec: JobSpec) -> JobChannel | None:
    try:
        return channel_to(spec.address, spec.options)
    except Exception as exc:  # a wrong address in the environment, no more threads
        _channel_warning.warn("jobs are not monitored: %s", exc)
        return None
