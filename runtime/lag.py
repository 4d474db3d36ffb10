"""Lag against the line itself: how many events a follower has before it, and how old the first one is."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from nats.aio.client import Client

from runtime.line import api
from runtime.problems import StreamUnavailable
from schemas.subjects import PREFIX
from schemas.times import parse_time

_NO_MESSAGE: Final = 10037


@dataclass(frozen=True, slots=True)
class Lag:
    """`events` not folded yet; `since`: store time of the oldest of them, None when there is none."""

    events: int
    since: datetime | None

    def seconds(self, now: datetime) -> float:
        """How long the oldest event has been waiting."""
        return max(0.0, (now - self.since).total_seconds()) if self.since else 0.0


async def measure(nc: Client, stream: str, checkpoints: Mapping[int, int]) -> dict[int, Lag]:
    """The lag of a follower in each partition of a stream: `checkpoints` holds the last folded sequences.

    Raises StreamUnavailable.
    """
    lags = await asyncio.gather(
        *(_partition(nc, stream, part, sequence) for part, sequence in checkpoints.items())
    )
    return dict(zip(checkpoints, lags, strict=True))


def summed(lags: Iterable[Lag]) -> Lag:
    """Several partitions together: all events, and the oldest of them."""
    found = list(lags)
    return Lag(sum(lag.events for lag in found), min((lag.since for lag in found if lag.since), default=None))


async def _partition(nc: Client, stream: str, part: int, checkpoint: int) -> Lag:
    where = f"{PREFIX}.{part}.>"
    first = await api(nc, f"STREAM.MSG.GET.{stream}", {"seq": checkpoint + 1, "next_by_subj": where})
    if error := first.get("error"):
        if error.get("err_code") == _NO_MESSAGE:
            return Lag(0, None)
        raise StreamUnavailable(stream, error)
    return Lag(await _pending(nc, stream, where, checkpoint + 1), parse_time(first["message"]["time"]))


async def _pending(nc: Client, stream: str, where: str, start: int) -> int:
    # The server counts for whoever creates a consumer; this one never reads.
    config: dict[str, Any] = {
        "ack_policy": "none",
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": start,
        "filter_subject": where,
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": 5_000_000_000,
    }
    answer = await api(nc, f"CONSUMER.CREATE.{stream}", {"stream_name": stream, "config": config})
    if error := answer.get("error"):
        raise StreamUnavailable(stream, error)
    await api(nc, f"CONSUMER.DELETE.{stream}.{answer['name']}")
    return int(answer["num_pending"])
