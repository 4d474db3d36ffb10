"""The newest stored messages of sessions: reactors ask the line itself before they conclude."""

import asyncio

from nats.aio.client import Client

from consumers.engine.handler import NotYet
from line.messages import StoredMessage, newest_message
from line.problems import StreamUnavailable
from projections.projection import Key
from schemas.positions import Position
from schemas.sessions.streams import HEARTBEATS, SESSIONS
from schemas.stored_subjects import entity_filter
from schemas.subjects import PREFIX


async def newest_heartbeat(nc: Client, key: Key, partitions: int) -> StoredMessage | None:
    """A session's newest heartbeat; None if it never sent one. Raises NotYet."""
    site, session_id = key
    return await _newest(nc, HEARTBEATS.name, entity_filter(site, "session", session_id, partitions))


async def newest_fact(nc: Client, key: Key, partitions: int) -> StoredMessage | None:
    """A session's newest fact, heartbeats left out; None if the line holds none. Raises NotYet."""
    site, session_id = key
    return await _newest(nc, SESSIONS.name, entity_filter(site, "session", session_id, partitions))


async def newest_of_partitions(nc: Client, partitions: int) -> list[Position]:
    """The position of the newest fact in each partition of SESSIONS that has one. Raises NotYet."""
    found = await asyncio.gather(
        *(_newest(nc, SESSIONS.name, f"{PREFIX}.{part}.>") for part in range(partitions))
    )
    return [
        Position(SESSIONS.name, part, newest.sequence)
        for part, newest in enumerate(found)
        if newest is not None
    ]


async def _newest(nc: Client, stream: str, stored_filter: str) -> StoredMessage | None:
    try:
        return await newest_message(nc, stream, stored_filter)
    except StreamUnavailable as exc:
        raise NotYet(str(exc)) from exc
