"""The facts of one entity, read from the line itself: for looking back, and for folding one entity anew."""

from collections.abc import AsyncGenerator
from typing import Final

from line.pull_consumer import after
from line.pull_reader import reading
from line.raw_event import RawEvent
from runtime.compat.nats_client import BusClient

_PATIENCE: Final = 6.0


async def stored_events(
    nc: BusClient, stream: str, stored_filter: str, *, behind: int = 0
) -> AsyncGenerator[RawEvent, None]:
    """Every message of a filter that is stored now, behind a sequence, in the order of the line.

    Raises StreamUnavailable, also when messages went away while they were read.
    """
    async with reading(nc, stream, after(behind), stored_filter) as reader:
        left = reader.pending
        while left > 0:
            for event in await reader.take(_PATIENCE):
                if left > 0:
                    yield event
                left -= 1
