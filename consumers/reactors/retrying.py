"""How task reactors fail: not acknowledged, and delivered again after a growing delay."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from faststream.nats import NatsMessage

logger = logging.getLogger("foldline.reactors")

_SLOWEST: Final = 300.0


class Retry(RuntimeError):
    """The reactor cannot act now; the message says what it waits for."""


async def retrying(message: NatsMessage, act: Callable[[], Awaitable[None]]) -> None:
    """Acknowledge after success; on any failure ask for redelivery after 1, 2, 4 … 300 seconds."""
    try:
        await act()
    except Exception as exc:
        tries = message.raw_message.metadata.num_delivered
        delay = min(2.0 ** min(tries - 1, 9), _SLOWEST)
        if isinstance(exc, Retry):
            logger.info("%s: %s; again in %.0f s", message.raw_message.subject, exc, delay)
        else:
            logger.exception("%s: again in %.0f s", message.raw_message.subject, delay)
        await message.nack(delay=delay)
    else:
        await message.ack()
