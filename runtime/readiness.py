"""Readiness: what a process needs, asked in bounded time, and remembered for a moment."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from runtime.http.errors import HttpProblem
from runtime.problems import Problem

logger = logging.getLogger("foldline.readiness")

READS: Final = "reads"
WRITES: Final = "writes"
_BOUND_S: Final = 2.0  # for one check
_FRESH_S: Final = 1.0  # as long as its answer serves further probes

Check = Callable[[], Awaitable[str | None]]
"""Asks one dependency; answers None when all is well, else what is wrong."""


class Need(NamedTuple):
    """A dependency: the name it is reported under, how it is asked, and what does not work without it.

    One without purposes is a note: it is reported, and nothing depends on it. Where the check needs what
    another need is asked for, no answer says nothing (`silence_is_well`): the other one says it.
    """

    name: str
    check: Check
    purposes: frozenset[str] = frozenset()
    silence_is_well: bool = False


class Trouble(NamedTuple):
    """What is wrong with a dependency, and since when it was seen to be."""

    problem: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """The state of every dependency, None where all is well, and of what depends on them."""

    found: Mapping[str, Trouble | None]
    notes: Mapping[str, str]
    purposes: Mapping[str, bool]

    @property
    def troubles(self) -> dict[str, Trouble]:
        """The dependencies that are not well."""
        return {name: trouble for name, trouble in self.found.items() if trouble is not None}


class Readiness:
    """The needs of one process. Any number of probes may ask: each dependency is asked once at a time."""

    def __init__(self, needs: Sequence[Need]) -> None:
        self._needs = [(need, _Dependency(need)) for need in needs]
        self.purposes: tuple[str, ...] = tuple(
            purpose for purpose in (READS, WRITES) if any(purpose in need.purposes for need in needs)
        )

    async def ask(self) -> Report:
        """Ask every dependency at once, or take what it answered within the last second."""
        answers = await asyncio.gather(*(dependency.ask() for _, dependency in self._needs))
        found = list(zip((need for need, _ in self._needs), answers, strict=True))
        return Report(
            {need.name: trouble for need, trouble in found if need.purposes},
            {need.name: trouble.problem for need, trouble in found if trouble and not need.purposes},
            {
                purpose: not any(trouble and purpose in need.purposes for need, trouble in found)
                for purpose in self.purposes
            },
        )


class _Dependency:
    """One dependency with its last answer."""

    def __init__(self, need: Need) -> None:
        self._need = need
        self._asking: asyncio.Task[str | None] | None = None
        self._trouble: Trouble | None = None
        self._asked_at = -_FRESH_S

    async def ask(self) -> Trouble | None:
        if time.monotonic() - self._asked_at < _FRESH_S:
            return self._trouble
        if self._asking is None:
            self._asking = asyncio.create_task(_answer(self._need.check))
            self._asking.add_done_callback(self._answered)
        asking = self._asking
        await asyncio.wait({asking}, timeout=_BOUND_S)
        if not asking.done():
            # It is not waited for, since a client may take long to give up a dead connection, and no other
            # is begun beside it.
            asking.cancel()
            self._note(None if self._need.silence_is_well else f"no answer within {_BOUND_S:g} s")
        return self._trouble

    def _answered(self, asking: asyncio.Task[str | None]) -> None:
        self._asking = None
        if not asking.cancelled():
            self._note(asking.result())

    def _note(self, problem: str | None) -> None:
        self._asked_at = time.monotonic()
        since = self._trouble.since if self._trouble else datetime.now(UTC)
        self._trouble = Trouble(problem, since) if problem else None


async def _answer(check: Check) -> str | None:
    try:
        return await check()
    except HttpProblem as exc:
        return exc.details
    except Problem as exc:
        return exc.message
    except Exception:
        logger.exception("a check failed")
        return "the check failed; the log says why"
