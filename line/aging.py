"""Aging: what has left the line by its age, and what may leave it before a long fold is done."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from nats.aio.client import Client

from line.jetstream import stream_info
from line.messages import first_message_since
from schemas.streams import Stream

_FOLD: Final = timedelta(days=1)
"""Longer than a rebuild or a verification takes: what leaves the line meanwhile is carried over."""


@dataclass(frozen=True, slots=True)
class Aging:
    """Sequences of the streams that drop old messages by age, by stream.

    `first`: the first message that is held. `carried`: what began before it is carried over, not folded.
    `since`: the store time from which on everything is held until the fold is done; None: of any age.
    """

    first: Mapping[str, int]
    carried: Mapping[str, int]
    since: datetime | None


async def read_aging(nc: Client, streams: Iterable[Stream], *, now: datetime | None = None) -> Aging:
    """Ask the line, as of `now` or of the present. Raises StreamUnavailable."""
    now = now or datetime.now(UTC)
    first, carried, oldest = {}, {}, []
    for stream in streams:
        if not stream.days:
            continue
        state = (await stream_info(nc, stream.name))["state"]
        since = now - timedelta(days=stream.days) + _FOLD
        lasting = await first_message_since(nc, stream.name, since)
        first[stream.name] = int(state["first_seq"])
        carried[stream.name] = lasting.sequence if lasting is not None else int(state["last_seq"]) + 1
        oldest.append(since)
    return Aging(first, carried, max(oldest, default=None))
