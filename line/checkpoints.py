"""Checkpoints: how far a follower has folded each stream, and whether that is far enough."""

import asyncio
from collections.abc import Mapping
from typing import Final

from nats.aio.client import Client

from line.messages import next_message
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries
from schemas.subjects import PREFIX

Sequences = dict[int, dict[str, int]]
"""Partition → stream → sequence."""

_QUERIES: Final = engine_queries()


async def checkpoints(conn: Connection, follower: str, *, lock: bool = False) -> Sequences:
    """Return the last sequences a follower has folded; with `lock` they stay until the transaction ends."""
    query = _QUERIES["lock-checkpoints" if lock else "checkpoints"]
    return {part: seqs async for part, seqs in await conn.execute(query, {"follower": follower})}


async def is_caught_up(nc: Client, at: Sequences, target: Sequences) -> bool:
    """Whether no event is left between the checkpoints `at` and `target`. Raises StreamUnavailable.

    The line is not asked where both are equal: what was folded elsewhere may have been purged since.
    """
    gaps = [
        (stream, part, at.get(part, {}).get(stream, 0), end)
        for part, ends in target.items()
        for stream, end in ends.items()
    ]
    left = await asyncio.gather(*(_left(nc, *gap) for gap in gaps if gap[2] < gap[3]))
    return not any(left)


def furthest(one: Mapping[int, Mapping[str, int]], other: Mapping[int, Mapping[str, int]]) -> Sequences:
    """Return the larger sequence of each partition and stream."""
    return {
        part: {
            stream: max(one.get(part, {}).get(stream, 0), other.get(part, {}).get(stream, 0))
            for stream in one.get(part, {}).keys() | other.get(part, {}).keys()
        }
        for part in one.keys() | other.keys()
    }


async def _left(nc: Client, stream: str, part: int, start: int, end: int) -> bool:
    found = await next_message(nc, stream, f"{PREFIX}.{part}.>", start + 1)
    return found is not None and found.sequence <= end
