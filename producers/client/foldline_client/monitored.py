"""Monitored blocks and functions: Foldline shows each run as a job, or as a subjob of one."""

import asyncio
import copy
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar

from foldline_client.errors import ThrottledWarning
from foldline_client.job_channel import JobChannel
from foldline_client.job_decorating import decorated
from foldline_client.job_events import AppRef, EntityType
from foldline_client.job_run import JobRun
from foldline_client.job_spec import JobSpec
from foldline_client.options import Options
from foldline_client.pump import Stats

P = ParamSpec("P")
R = TypeVar("R")

_current: Final[ContextVar["Monitored | None"]] = ContextVar("foldline_client_job", default=None)
_late_warning = ThrottledWarning()


class Monitored:
    """One job, as a context manager (`with`, `async with`) or a decorator (of `def`, `async def`).

    It reports the start of the job, its progress (`tick`) and its end. A job whose block an exception leaves
    is failed or canceled; the exception passes through.

    Inside another one it is a subjob of the outermost job: in the same thread, in asyncio tasks started
    there, in forked children. Threads know nothing of the job that started them: use `subjob` there. A
    subjob is sent with its job, whatever site, url and options it was given.

    Wrong arguments raise TypeError or ValueError when it is made, and entering it while it runs raises
    RuntimeError. Everything else that goes wrong is logged, and the job goes on. It can be entered again
    after its end: that is another job or, with an `id`, another attempt of the same job.
    """

    def __init__(
        self,
        site_id: str,
        app: AppRef,
        *,
        entity_type: EntityType | None = None,
        business_key: str | None = None,
        sub_key: str | None = None,
        parent_id: str | None = None,
        id: str | None = None,  # noqa: A002 - the event's own word
        url: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        flush_timeout: float = 5.0,
        **options: Any,
    ) -> None:
        """Specify a job. `entity_type="job"`: a job of its own, also inside another. `parent_id`: its subjob.

        `url` is a sidecar's or a site's API (`http://`), or `nats://`; if not given the first there is of
        FOLDLINE_URL, SIDECAR_URL and http://localhost:8000. The end of the outermost job waits up to
        `flush_timeout` seconds for the line. `options` are the fields of `Options`, but `site`.
        """
        self._spec = JobSpec(
            app=app,
            entity_type=entity_type,
            business_key=business_key,
            sub_key=sub_key,
            parent_id=parent_id,
            id=id,
            url=url,
            metadata=metadata,
            flush_timeout=flush_timeout,
            options=Options(site=site_id, **options),
        )
        self._id = id or str(uuid.uuid4())
        self._parent: Monitored | None = None  # whose `subjob` made it
        self._enclosing: Monitored | None = None
        self._run: JobRun | None = None

    @staticmethod
    def current() -> "Monitored | None":
        """Return the innermost job that runs around the caller; a decorated function gets its job so."""
        found = _current.get()
        while found is not None and not found.running:
            found = found._enclosing
        return found

    @property
    def id(self) -> str:
        """The id of the job or subjob. One that was not given changes when the job is entered again."""
        return self._id

    @property
    def running(self) -> bool:
        """Whether the job has begun and not ended."""
        return self._run is not None and self._run.open

    def tick(self, metadata: Mapping[str, Any] | None = None, /, **metrics: float) -> None:
        """Report progress: numbers by name, and anything else as metadata. Never raises or waits."""
        if self._run is None or not self._run.open:
            _late_warning.warn("job %s does not run: its tick is ignored", self._id)
        else:
            self._run.progress(metrics, metadata)

    def subjob(
        self,
        sub_key: str,
        *,
        app: AppRef | None = None,
        business_key: str | None = None,
        id: str | None = None,  # noqa: A002 - the event's own word
        metadata: Mapping[str, Any] | None = None,
    ) -> "Monitored":
        """Return a subjob of this job, or of the job around this subjob. Any thread may enter it."""
        spec = replace(
            self._spec,
            app=app or self._spec.app,
            entity_type=None,
            parent_id=None,
            business_key=business_key,
            sub_key=sub_key,
            id=id,
            metadata=metadata,
        )
        return self._copy(spec, parent=self)

    def get_stats(self) -> Stats | None:
        """Return the counters of all jobs that share its channel; None before it first runs."""
        channel = None if self._run is None else self._run.channel
        return None if channel is None else channel.pump.stats()

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        channel = self._end(error)
        if channel is not None and not _in_loop():  # a loop is not held up: its events go out beside it
            with suppress(RuntimeError):  # no thread can be started: that was logged with the event
                channel.flush(self._spec.flush_timeout)

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        channel = self._end(error)
        if channel is not None:
            with suppress(RuntimeError):
                await channel.flush_async(self._spec.flush_timeout)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return `function` with each call as a job. Raises TypeError for a generator function."""
        return decorated(function, lambda: self._copy(self._spec, parent=self._parent))

    def _copy(self, spec: JobSpec, *, parent: "Monitored | None") -> "Monitored":
        other = copy.copy(self)
        other._spec, other._parent = spec, parent
        other._id, other._enclosing, other._run = spec.id or str(uuid.uuid4()), None, None
        return other

    def _begin(self) -> None:
        if self.running:
            raise RuntimeError(f"job {self._id} runs already: make another Monitored for another run")
        if self._run is not None and self._spec.id is None:
            self._id = str(uuid.uuid4())
        self._enclosing = _current.get()
        self._run = JobRun(self._spec, self._id, self._enclosing_job())
        _current.set(self)
        self._run.begin()

    def _end(self, error: BaseException | None) -> JobChannel | None:
        """Report the end; returns the channel to wait for, if the job is the outermost one."""
        if self._run is None or not self._run.open:
            return None
        self._run.end(error)
        if _current.get() is self:  # not so where the block was left in another context than entered
            _current.set(self._enclosing)
        return self._run.channel if self._run.outermost else None

    def _enclosing_job(self) -> JobRun | None:
        """Return the job that this becomes a subjob of, if any."""
        if self._parent is not None and self._parent._run is not None:
            return self._parent._run.root
        run = None if self._enclosing is None else self._enclosing._run
        if run is None or not run.root.open or self._spec.entity_type == "job":
            return None
        is_elsewhere = self._spec.parent_id not in (None, run.entity.job_id)
        return None if is_elsewhere else run.root


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
