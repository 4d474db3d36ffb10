"""Live tail: a whole stream as it arrives, in its own order and without gaps."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

from nats.errors import Error

from line.problems import StreamUnavailable
from line.pull_consumer import start_after
from line.pull_reader import open_reader
from line.raw_event import RawEvent
from runtime.compat.nats_client import BusClient

logger = logging.getLogger("foldline.tail")

_PAUSE: Final = 0.3


async def tail_stream(
    nc: BusClient, stream: str, start: Mapping[str, Any], stored_filter: str | None = None
) -> AsyncGenerator[list[RawEvent], None]:
    """Yield everything stored from a start on, as it arrives, for ever; an outage is only a pause.

    `start` is one of `line.pull_consumer`, such as `start_after(7)`.

    A slow reader holds back no more than one request of messages.
    """
    logged = ""
    while True:
        try:
            async with open_reader(nc, stream, start, stored_filter) as reader:
                while True:
                    events = await reader.take()
                    start, logged = start_after(events[-1].sequence), ""
                    yield events
        except (StreamUnavailable, Error, OSError) as exc:
            if (why := f"{stream}: reading again: {exc}") != logged:
                logger.info(why)
            logged = why
        await asyncio.sleep(_PAUSE)
