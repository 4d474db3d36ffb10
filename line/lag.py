"""Lag: how many events of the line a follower has not folded, and how old the oldest of them is."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from nats.aio.client import Client

from line.jetstream import request_api, request_stream, stream_info
from line.messages import next_message
from schemas.subjects import PREFIX

_NEAR: Final = 50_000  # sequences: three or four of the server's blocks
_KEPT_S: Final = 60.0  # a partition's share of the stream hardly changes


@dataclass(frozen=True, slots=True)
class Lag:
    """The lag of a follower, in one partition or in several.

    `events` are not folded yet; `since` is the store time of the oldest of them, None when there is none.
    """

    events: int
    since: datetime | None
    counted: bool = True  # not estimated

    def seconds(self, now: datetime) -> float:
        """Return how long the oldest event has been waiting."""
        return max(0.0, (now - self.since).total_seconds()) if self.since else 0.0


class LagProbe:
    """Measures the lag of followers. Whoever measures repeatedly keeps one, for it remembers what it counted.

    Near the head events are counted. Further back the server would have to read every block from there on,
    and nobody else is served meanwhile (ten million events: five seconds for sixteen partitions). There their
    number is estimated, as if the partition's events were evenly spread over the stream.
    """

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._shares: dict[tuple[str, int], tuple[float, float]] = {}  # of a partition, and until when

    async def lags(self, stream: str, checkpoints: Mapping[int, int]) -> dict[int, Lag]:
        """Return the lag of a follower in each partition: `checkpoints` holds the last folded sequences.

        Raises StreamUnavailable.
        """
        info = await stream_info(self._nc, stream)
        first, last = info["state"]["first_seq"], info["state"]["last_seq"]
        lags = await asyncio.gather(
            *(self._lag(stream, part, sequence, first, last) for part, sequence in checkpoints.items())
        )
        return dict(zip(checkpoints, lags, strict=True))

    async def _lag(self, stream: str, part: int, checkpoint: int, first: int, last: int) -> Lag:
        where = f"{PREFIX}.{part}.>"
        oldest = await next_message(self._nc, stream, where, checkpoint + 1)
        if oldest is None:
            return Lag(0, None)
        since = oldest.stored_at
        if checkpoint < first or last - checkpoint <= _NEAR:
            return Lag(await self._count(stream, where, checkpoint + 1), since)
        share, until = self._shares.get((stream, part), (0.0, 0.0))
        now = asyncio.get_running_loop().time()
        if now > until:
            share = await self._count(stream, where, 1) / (last - first + 1)
            self._shares[stream, part] = share, now + _KEPT_S
        return Lag(max(1, round(share * (last - checkpoint))), since, counted=False)

    async def _count(self, stream: str, where: str, start: int) -> int:
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
        answer = await request_stream(
            self._nc, "CONSUMER.CREATE", stream, {"stream_name": stream, "config": config}
        )
        await request_api(self._nc, f"CONSUMER.DELETE.{stream}.{answer['name']}")
        return int(answer["num_pending"])


def summed(lags: Iterable[Lag]) -> Lag:
    """Return the lag of several partitions together: all events, and the oldest of them."""
    found = list(lags)
    since = min((lag.since for lag in found if lag.since), default=None)
    return Lag(sum(lag.events for lag in found), since, counted=all(lag.counted for lag in found))
