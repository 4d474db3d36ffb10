"""Waiting for conditions: no test sleeps for a fixed time."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
_FIRST, _SLOWEST = 0.01, 0.2


async def wait_until(condition: Callable[[], object], timeout: float = 20.0, *, what: str = "") -> Any:
    """Return the first true answer of `condition`, plain or async; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = _FIRST
    while True:
        answer: Any = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout:.0f} s in vain{what and ': ' + what}; last: {answer!r}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _SLOWEST)


def wait_until_sync(condition: Callable[[], T], timeout: float = 20.0, *, what: str = "") -> T:
    """Return the first true answer of `condition`; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = _FIRST
    while not (answer := condition()):
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout:.0f} s in vain{what and ': ' + what}; last: {answer!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, _SLOWEST)
    return answer
