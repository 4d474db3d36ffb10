"""The newest stored message of a subject: what a judgement asks the line itself."""

import asyncio
from base64 import b64decode
from datetime import datetime
from typing import Final, NamedTuple

from nats.aio.client import Client

from consumers.follower import NotYet
from projections.projection import Key
from runtime.line import api
from schemas.positions import Position
from schemas.streams import HEARTBEATS, SESSIONS
from schemas.subjects import PREFIX, entity_filter
from schemas.times import parse_time

_NO_MESSAGE: Final = 10037


class Newest(NamedTuple):
    """Where the newest message of a subject stands, when it was stored, which fact it is, and its body."""

    sequence: int
    stored_at: datetime
    fact: str
    body: bytes


async def newest_heartbeat(nc: Client, key: Key, partitions: int) -> Newest | None:
    """A session's newest heartbeat; None if it never sent one. Raises NotYet."""
    site, session_id = key
    return await _newest(nc, HEARTBEATS.name, entity_filter(site, "session", session_id, partitions))


async def newest_fact(nc: Client, key: Key, partitions: int) -> Newest | None:
    """A session's newest fact but heartbeats; None if the line holds none. Raises NotYet."""
    site, session_id = key
    return await _newest(nc, SESSIONS.name, entity_filter(site, "session", session_id, partitions))


async def newest_of_partitions(nc: Client, partitions: int) -> list[Position]:
    """The newest fact of each partition of SESSIONS that has one. Raises NotYet."""
    found = await asyncio.gather(
        *(_newest(nc, SESSIONS.name, f"{PREFIX}.{part}.>") for part in range(partitions))
    )
    return [
        Position(SESSIONS.name, part, newest.sequence)
        for part, newest in enumerate(found)
        if newest is not None
    ]


async def _newest(nc: Client, stream: str, stored_filter: str) -> Newest | None:
    answer = await api(nc, f"STREAM.MSG.GET.{stream}", {"last_by_subj": stored_filter})
    if error := answer.get("error"):
        if error.get("err_code") == _NO_MESSAGE:
            return None
        raise NotYet(f"cannot read {stream}: {error.get('description', error)}")
    message = answer["message"]
    return Newest(
        message["seq"],
        parse_time(message["time"]),
        message["subject"].rpartition(".")[2],
        b64decode(message.get("data", "")),
    )
