"""Waiting for conditions, and for coroutines from a thread."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest


def wait_until(condition: Callable[[], Any], timeout: float = 15.0) -> Any:
    """The first true value of `condition`; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout} s: {condition}")
        Event().wait(0.01)
    return value


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of `work`, in a loop of its own, whether or not a loop runs in this thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
