"""Identity of the streams: whether they are those the read models were folded from.

A stream that was deleted and made anew, or restored from an older backup, knows nothing of the sequences the
checkpoints name: a reader would wait for ever at its head, or pass over what is stored below the checkpoint.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from nats.aio.client import Client

from line.jetstream import ErrorCode, has_code, request_api
from line.messages import message_at
from line.problems import StreamUnavailable
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries
from runtime.problems import Problem
from schemas.subjects import PREFIX
from schemas.times import format_time

_QUERIES: Final = engine_queries()
_ADVICE: Final = (
    "restore the backup of NATS or of PostgreSQL that belongs to the other one, or take the line as it is "
    "with `foldline accept-line --yes`"
)


@dataclass(frozen=True, slots=True)
class ChangedStream:
    """A stream that is not the one that was folded."""

    stream: str
    found: str

    def __str__(self) -> str:
        return f"stream {self.stream} {self.found}; {_ADVICE}"


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    follower: str
    part: int
    sequence: int
    stored_at: datetime | None  # nothing folded up to here was stored later


async def changed_streams(
    nc: Client,
    conn: Connection,
    *,
    follower: str | None = None,
    parts: Sequence[int] | None = None,
    closely: bool = False,
) -> list[ChangedStream]:
    """Return the streams that changed behind the checkpoints of all followers, or of one in some partitions.

    For one follower, or when asked to look `closely`, the message at each checkpoint is looked at as well: it
    shows a stream that was rolled back and has grown since. Raises StreamUnavailable.
    """
    known = {name: created async for name, created in await conn.execute(_QUERIES["known-streams"])}
    wanted = {"follower": follower, "parts": list(parts) if parts is not None else None}
    rows = await (await conn.execute(_QUERIES["checkpoints-of-followers"], wanted)).fetchall()
    found = []
    for stream in await followed_streams(conn, follower):
        at = [_Checkpoint(name, part, seqs.get(stream, 0), stored) for name, part, seqs, stored in rows]
        reached = [one for one in at if one.sequence]
        difference = await _difference(nc, stream, known.get(stream), reached)
        if difference is None and (closely or follower is not None):
            difference = await _other_messages(nc, stream, reached)
        if difference is not None:
            found.append(ChangedStream(stream, difference))
    return found


async def followed_streams(conn: Connection, follower: str | None = None) -> list[str]:
    """Return the names of the streams that are folded here: a site's own, or one a site of a centre."""
    cursor = await conn.execute(_QUERIES["followed-streams"], {"follower": follower})
    return [name for (name,) in await cursor.fetchall()]


async def check_identity(nc: Client, conn: Connection, *, closely: bool) -> None:
    """Refuse to fold a line that is another one; remember a new one. Raises Problem, StreamUnavailable."""
    if found := await changed_streams(nc, conn, closely=closely):
        raise Problem("; ".join(map(str, found)))
    for name, created in (await created_at(nc, conn)).items():
        await conn.execute(_QUERIES["remember-stream"], {"name": name, "created": created})


async def created_at(nc: Client, conn: Connection) -> dict[str, str]:
    """Return when each folded stream was created, empty for one that is gone. Raises StreamUnavailable."""
    streams = await followed_streams(conn)
    return {stream: (await _info(nc, stream) or {}).get("created", "") for stream in streams}


async def _difference(nc: Client, stream: str, created: str | None, reached: list[_Checkpoint]) -> str | None:
    info = await _info(nc, stream)
    if info is None:
        return "is gone" if created is not None or reached else None
    if created is not None and info["created"] != created:
        return f"is another one: it was created at {info['created']}, the one that was folded at {created}"
    last = int(info["state"]["last_seq"])
    furthest = max(reached, key=lambda one: one.sequence, default=None)
    if furthest is not None and furthest.sequence > last:
        return (
            f"was rolled back: it ends at sequence {last}, and {furthest.follower} folded partition "
            f"{furthest.part} up to {furthest.sequence}"
        )
    return None


async def _other_messages(nc: Client, stream: str, reached: list[_Checkpoint]) -> str | None:
    found = await asyncio.gather(*(_other_message(nc, stream, one) for one in reached))
    return next(filter(None, found), None)


async def _other_message(nc: Client, stream: str, at: _Checkpoint) -> str | None:
    message = await message_at(nc, stream, at.sequence)
    if message is None:  # purged, or replaced by a newer one of its subject
        return None
    where = f"was rolled back and has grown since: at sequence {at.sequence}, which {at.follower} folded"
    if not message.subject.startswith(f"{PREFIX}.{at.part}."):
        return f"{where} in partition {at.part}, is {message.subject[:200]}"
    if at.stored_at is not None and message.stored_at > at.stored_at:
        return f"{where} at {format_time(at.stored_at)} or before, is a message stored at " + format_time(
            message.stored_at
        )
    return None


async def _info(nc: Client, stream: str) -> dict[str, Any] | None:
    info = await request_api(nc, f"STREAM.INFO.{stream}")
    if has_code(info, ErrorCode.STREAM_NOT_FOUND):
        return None
    if error := info.get("error"):
        raise StreamUnavailable(stream, error)
    return info
