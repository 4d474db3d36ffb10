"""Ending tasks for certain.

`wait_for` of Python 3.11, by which the clients of NATS and PostgreSQL wait, swallows a cancellation that
comes together with what it waits for.
"""

import asyncio
from typing import Any, Final

_AGAIN_S: Final = 0.5


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they are over, whatever they end with.

    Once is not enough: the cancellation may be swallowed, and the task would go on for ever.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)


def heed_cancellation() -> None:
    """Raise a cancellation of this task that was swallowed. For rounds of long work, outside of time-outs."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def in_any_case(work: asyncio.Future[Any]) -> None:
    """Wait for something that has an end of its own; a cancellation takes effect afterwards."""
    cancelled = False
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    work.result()
