"""Background tasks of the API process: they go on when nobody follows them, and end with the process."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg

from api.operations.projection_control import TaskUpdate
from api.reading.reader import NOT_INSTALLED, NOT_SET_UP
from consumers.control.rebuild_progress import ReportProgress
from line.problems import StreamUnavailable
from runtime.problems import Problem

logger = logging.getLogger("foldline.background_task")

Act = Callable[[ReportProgress], Awaitable[dict[str, Any]]]
"""Does the work of a task: is given a function to report progress to, answers the result."""


class BackgroundTask:
    """Runs an act at once, and lets anybody follow it; who follows slowly misses updates, never the end."""

    def __init__(self, act: Act) -> None:
        self._last: TaskUpdate | None = None
        self._news = asyncio.Event()
        self.asyncio_task = asyncio.create_task(self._run(act))

    async def follow(self) -> AsyncIterator[TaskUpdate]:
        """The newest update, each that follows, and the end."""
        seen = None
        while True:
            news = self._news
            if self._last is None or self._last is seen:
                await news.wait()
                continue
            seen = self._last
            yield seen
            if seen.kind != "progress":
                return

    async def _run(self, act: Act) -> None:
        try:
            result = await act(lambda now: self._publish(TaskUpdate("progress", now.as_json())))
            self._publish(TaskUpdate("done", result))
        except asyncio.CancelledError:
            self._fail("the API process stops: what was built is kept, and the same request goes on")
            raise
        except NOT_INSTALLED:
            self._fail(NOT_SET_UP)
        except (psycopg.Error, OSError, StreamUnavailable) as exc:
            logger.warning("a background task failed: %s", exc)
            self._fail("PostgreSQL or NATS went away: the same request goes on where this ended")
        except Problem as exc:
            self._fail(str(exc), conflict=True)
        except Exception:
            logger.exception("a background task failed")
            self._fail("the server failed; its log says why")

    def _fail(self, details: str, *, conflict: bool = False) -> None:
        self._publish(TaskUpdate("failed", {"details": details}, conflict))

    def _publish(self, update: TaskUpdate) -> None:
        self._last = update
        self._news.set()
        self._news = asyncio.Event()
