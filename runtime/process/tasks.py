"""Cancelling tasks reliably.

The clients of NATS and PostgreSQL use `asyncio.wait_for`. That of Python 3.11 swallows a cancellation which
arrives together with the result it waits for.
"""

import asyncio
from typing import Any, Final

_AGAIN_S: Final = 0.5


async def cancel_and_wait(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they are done; their results and exceptions are dropped.

    A task is cancelled again every 0.5 s: if the first cancellation is swallowed, it would go on for ever.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)


def raise_if_cancelled() -> None:
    """Raise CancelledError if this task was cancelled and the cancellation was swallowed.

    Long work calls it once in each round, outside of `asyncio.timeout`, which cancels its own task as well.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def wait_to_the_end(work: asyncio.Future[Any]) -> None:
    """Wait until `work` is done, even if this task is cancelled meanwhile; CancelledError follows then.

    Raises what `work` raised if this task was not cancelled.
    """
    cancelled = False
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    work.result()
