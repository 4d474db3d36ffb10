"""Redelivery: a message whose task reactor failed is delivered again after a growing delay."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from faststream.nats import NatsMessage

from consumers.engine.handler import NotYet

logger = logging.getLogger("foldline.reactors")

_LONGEST_S: Final = 300.0


async def ack_or_redeliver(message: NatsMessage, act: Callable[[], Awaitable[None]]) -> None:
    """Acknowledge after `act`; when it raises, ask for redelivery after 1, 2, 4 … 300 seconds.

    NotYet is expected now and then; anything else is logged with its traceback.
    """
    try:
        await act()
    except Exception as exc:
        deliveries = message.raw_message.metadata.num_delivered
        delay = min(2.0 ** min(deliveries - 1, 9), _LONGEST_S)
        if isinstance(exc, NotYet):
            logger.info("%s: %s; trying again in %.0f s", message.raw_message.subject, exc, delay)
        else:
            logger.exception("%s: failed, trying again in %.0f s", message.raw_message.subject, delay)
        await message.nack(delay=delay)
    else:
        await message.ack()
