"""The history of one entity, read from the line: for looking back, and for folding one entity anew."""

from collections.abc import AsyncGenerator
from typing import Final

from line.pull_consumer import start_after
from line.pull_reader import open_reader
from line.raw_event import RawEvent
from runtime.compat.nats_client import BusClient

_PATIENCE: Final = 6.0


async def stored_events(
    nc: BusClient, stream: str, stored_filter: str, *, after: int = 0
) -> AsyncGenerator[RawEvent, None]:
    """Yield every message of a filter that is stored now after a sequence, in the order of the line.

    Raises StreamUnavailable, also when messages went away while they were read.
    """
    async with open_reader(nc, stream, start_after(after), stored_filter) as reader:
        left = reader.pending
        while left > 0:
            for event in await reader.take(_PATIENCE):
                if left > 0:
                    yield event
                left -= 1
