"""Jobs that report themselves: a block or a function that Foldline shows as a job, or as a part of one."""

import asyncio
import copy
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar

from foldline_client.errors import Complaint
from foldline_client.job_decorating import decorated
from foldline_client.job_events import AppRef, EntityType
from foldline_client.job_line import JobLine
from foldline_client.job_run import JobRun
from foldline_client.job_spec import JobSpec
from foldline_client.options import Options
from foldline_client.pump import Stats

P = ParamSpec("P")
R = TypeVar("R")

_current: Final[ContextVar["Monitored | None"]] = ContextVar("foldline_client_job", default=None)
_late = Complaint()


class Monitored:
    """One job, as a context manager (`with`, `async with`) or a decorator (of `def`, `async def`).

    It tells when the job starts, how it gets on (`tick`), and how it ends. An exception that leaves the block
    makes it failed, or canceled, and passes through.

    Inside another one it is a subjob of the outermost job: in the same thread, in asyncio tasks started
    there, in forked children. Threads know nothing of the job that started them: use `subjob` there. A
    subjob is sent with its job, whatever site, url and options it was given.

    Only wrong arguments raise, when it is made, and RuntimeError where it is entered while it runs. All else
    that goes wrong is logged, and the job goes on. It can be entered again after its end: that is another
    job, or another attempt of the same where `id` is given.
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
        """`entity_type="job"`: a job of its own, also inside another. `parent_id`: a subjob of that job.

        `url` is a sidecar's or a site's API (`http://`), or `nats://`; if not given FOLDLINE_URL, SIDECAR_URL
        or http://localhost:8000, the first there is. The end of the outermost job waits up to
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
        self._of: Monitored | None = None  # what it was made a part of by `subjob`
        self._around: Monitored | None = None
        self._run: JobRun | None = None

    @staticmethod
    def current() -> "Monitored | None":
        """The innermost one that runs around the caller: how a decorated function gets at its job."""
        found = _current.get()
        while found is not None and not found.running:
            found = found._around
        return found

    @property
    def id(self) -> str:
        """The id of the job or subjob; of one without a given id it changes when it is entered again."""
        return self._id

    @property
    def running(self) -> bool:
        """Whether it is entered."""
        return self._run is not None and self._run.open

    def tick(self, metadata: Mapping[str, Any] | None = None, /, **metrics: float) -> None:
        """Tell how the job gets on: numbers by name, and what else is to be known. Never raises or waits."""
        if self._run is None or not self._run.open:
            _late.say("job %s does not run: what it tells is ignored", self._id)
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
        """A part of this job, or of the job that this is a part of, in whatever thread it is entered."""
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
        return self._another(spec, of=self)

    def get_stats(self) -> Stats | None:
        """What became of all events that go the same way; None before it first runs."""
        line = None if self._run is None else self._run.line
        return None if line is None else line.pump.stats()

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        line = self._end(error)
        if line is not None and not _in_loop():  # a loop is not held up: its events go out beside it
            with suppress(RuntimeError):  # no thread can be started: that was told with the event
                line.flush(self._spec.flush_timeout)

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        line = self._end(error)
        if line is not None:
            with suppress(RuntimeError):
                await line.flush_async(self._spec.flush_timeout)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Every call of `function` is a job. Raises TypeError for a generator function."""
        return decorated(function, lambda: self._another(self._spec, of=self._of))

    def _another(self, spec: JobSpec, *, of: "Monitored | None") -> "Monitored":
        other = copy.copy(self)
        other._spec, other._of = spec, of
        other._id, other._around, other._run = spec.id or str(uuid.uuid4()), None, None
        return other

    def _begin(self) -> None:
        if self.running:
            raise RuntimeError(f"job {self._id} runs already: make another Monitored for another job")
        if self._run is not None and self._spec.id is None:
            self._id = str(uuid.uuid4())
        self._around = _current.get()
        self._run = JobRun(self._spec, self._id, self._job())
        _current.set(self)
        self._run.begin()

    def _end(self, error: BaseException | None) -> JobLine | None:
        """Tell the end; the line that is now to be waited for, if any."""
        if self._run is None or not self._run.open:
            return None
        self._run.end(error)
        if _current.get() is self:  # not so where the block was left in another context than entered
            _current.set(self._around)
        return self._run.line if self._run.outermost else None

    def _job(self) -> JobRun | None:
        """The job that this is about to become a part of."""
        if self._of is not None and self._of._run is not None:
            return self._of._run.root
        around = None if self._around is None else self._around._run
        if around is None or not around.root.open or self._spec.entity_type == "job":
            return None
        other = self._spec.parent_id not in (None, around.entity.job_id)
        return None if other else around.root


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
