"""One run of a job or subjob: what it tells from its start to its end. Nothing here raises or waits."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from foldline_client.errors import Complaint
from foldline_client.items import SessionRef, time_text
from foldline_client.job_events import EntityRef, Kind, Status, finite, job_body, token_of
from foldline_client.job_line import JobLine, line_to
from foldline_client.job_outcome import outcome_of
from foldline_client.job_spec import JobSpec
from foldline_client.job_usage import Usage

_NOTHING: Final[Mapping[str, Any]] = {}
_TICK: Final = timedelta(microseconds=1)
_unmonitored, _broken, _odd = Complaint(), Complaint(), Complaint()


class JobRun:
    """`job` is the run that this is a part of, if any: the events go its way, behind its own."""

    def __init__(self, spec: JobSpec, id_: str, job: "JobRun | None") -> None:
        self.spec = spec
        self.root = self if job is None else job
        self.entity: EntityRef = spec.entity(id_, None if job is None else job.entity.job_id)
        self.line: JobLine | None = _line_of(spec) if job is None else job.line
        self.open = True
        self._ref = SessionRef(token_of(self.entity.job_id))
        self._pid = os.getpid()
        self._usage = Usage()
        self._told = datetime.min.replace(tzinfo=UTC)

    @property
    def outermost(self) -> bool:
        """Whether nobody in this process ends after this, and waits for the line."""
        return self.root is self or not self.root.open or self.root._pid != self._pid

    def begin(self) -> None:
        """It runs."""
        self._tell("started", "running", metadata=self.spec.metadata, force=True)

    def progress(self, metrics: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> None:
        """It gets on. Metrics that are no finite numbers are left out, with a warning."""
        numbers = finite(metrics)
        if len(numbers) < len(metrics):
            left_out = ", ".join(name for name in metrics if name not in numbers)
            _odd.say("job %s: metrics that are no finite numbers are left out: %s", self.entity.id, left_out)
        self._tell("progress", "running", metrics=numbers, metadata=metadata)

    def end(self, error: BaseException | None) -> None:
        """It is over, by `error` if there is one."""
        kind, status, metadata = outcome_of(error)
        self._tell(kind, status, metrics=self._usage.metrics(), metadata=metadata, force=True)
        self.open = False

    def _tell(
        self,
        kind: Kind,
        status: Status,
        *,
        metadata: Mapping[str, Any] | None,
        metrics: Mapping[str, float] = _NOTHING,
        force: bool = False,
    ) -> None:
        if self.line is None:
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
            self.line.pump.submit(self._ref, kind, body, force=force)
        except Exception as exc:  # whatever it is, the job matters more
            _broken.say("job %s: %s is not told: %r", self.entity.id, kind, exc)

    def _time(self) -> str:
        # A clock that is set back must not make the end older than the start.
        self._told = max(datetime.now(UTC), self._told + _TICK)
        return time_text(self._told)


def _line_of(spec: JobSpec) -> JobLine | None:
    try:
        return line_to(spec.address, spec.options)
    except Exception as exc:  # a wrong address in the environment, no more threads
        _unmonitored.say("jobs are not monitored: %s", exc)
        return None
