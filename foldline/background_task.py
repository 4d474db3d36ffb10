"""Long work of the API process: it goes on when those who watch go away, and ends with the process."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg

from api.operations.projection_control import Told
from api.reading.reader import NOT_INSTALLED, NOT_SET_UP
from consumers.control.rebuild_progress import Advance
from line.problems import StreamUnavailable
from runtime.problems import Problem

logger = logging.getLogger("foldline.background_task")

Act = Callable[[Callable[[Advance], None]], Awaitable[dict[str, Any]]]
"""Does the work: is given whom to report to, answers the result."""


class LongWork:
    """One piece of work as a task. Whoever follows slowly misses readings, never the end."""

    def __init__(self, act: Act) -> None:
        self._last: Told | None = None
        self._news = asyncio.Event()
        self.task = asyncio.create_task(self._run(act))

    async def follow(self) -> AsyncIterator[Told]:
        """The newest reading, each that follows, and the end."""
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
            self._tell(Told("done", await act(lambda now: self._tell(Told("progress", now.as_json())))))
        except asyncio.CancelledError:
            self._fail("the API process stops: what was built is kept, and the same request goes on")
            raise
        except NOT_INSTALLED:
            self._fail(NOT_SET_UP)
        except (psycopg.Error, OSError, StreamUnavailable) as exc:
            logger.warning("work ended: %s", exc)
            self._fail("PostgreSQL or NATS went away: the same request goes on where this ended")
        except Problem as exc:
            self._fail(str(exc), conflict=True)
        except Exception:
            logger.exception("work ended")
            self._fail("the server failed; its log says why")

    def _fail(self, details: str, *, conflict: bool = False) -> None:
        self._tell(Told("failed", {"details": details}, conflict))

    def _tell(self, told: Told) -> None:
        self._last = told
        self._news.set()
        self._news = asyncio.Event()
