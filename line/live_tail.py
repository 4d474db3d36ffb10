"""A whole stream as it arrives, in its own order and without gaps: for what is shown live."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Final

from nats.errors import Error

from line.problems import StreamUnavailable
from line.pull_consumer import after
from line.pull_reader import reading
from line.raw_event import RawEvent
from runtime.compat.nats_client import BusClient

logger = logging.getLogger("foldline.tail")

_PAUSE: Final = 0.3


async def follow_stream(nc: BusClient, stream: str, behind: int) -> AsyncGenerator[list[RawEvent], None]:
    """Everything stored behind a sequence, as it comes, for ever; an outage is only a pause.

    A slow reader holds back no more than one request of messages.
    """
    logged = ""
    while True:
        try:
            async with reading(nc, stream, after(behind)) as reader:
                while True:
                    events = await reader.take()
                    behind, logged = events[-1].sequence, ""
                    yield events
        except (StreamUnavailable, Error, OSError) as exc:
            if (why := f"reading anew behind {behind}: {exc}") != logged:
                logger.info(why)
            logged = why
        await asyncio.sleep(_PAUSE)
