"""Catch-up subscription: partitions of one stream, from their checkpoints to the head and on from there.

A pull consumer without acks that lives in the server's memory: the checkpoint in PostgreSQL is the only
truth about progress. Back-pressure is by credit: the server sends what was asked for and no more. The
client's own ordered consumer is not used: it can replay from the start or lose messages silently.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Final

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription
from nats.errors import Error

from consumers.buffer import Buffer
from projections.recorded import RawEvent
from runtime.delivery import parse_delivery, parse_status
from runtime.line import api
from runtime.sinks import BusClient, readable
from schemas.streams import MAX_PAYLOAD
from schemas.subjects import PREFIX

logger = logging.getLogger("foldline.catchup")

_SECOND: Final = 1_000_000_000
_HEARTBEAT: Final = 2.0
_EXPIRES: Final = 30.0
_SILENCE: Final = 2.5 * _HEARTBEAT
_MAX_ASK: Final = 2_000


class CatchUp:
    """Fills `buffer` with the events after `checkpoints` (by partition), in order, without gaps.

    Of one partition, or of all there are: several of them no consumer of the server selects quickly. Whenever
    anything looks wrong (`broken` says what) it has to be closed and opened anew at the checkpoints.
    `sharing`: how many partitions, each stream's counted, share the buffer.
    """

    def __init__(
        self, nc: BusClient, buffer: Buffer, *, stream: str, checkpoints: Mapping[int, int], sharing: int
    ) -> None:
        self.stream = stream
        self.partitions = checkpoints.keys()
        self.broken: str | None = None
        self._nc = nc
        self._last = {str(part).encode(): [part, after] for part, after in checkpoints.items()}
        self._after = min(checkpoints.values())
        self._buffer = buffer
        self._sharing = max(1, sharing / len(checkpoints))
        self._consumer = ""
        self._consumer_sequence = 0
        self._credit = 0
        self._pending = 0  # stored behind the last delivery
        self._heard = 0.0
        self._inbox: NatsSubscription | None = None
        self._inbox_name = ""
        self._now = asyncio.get_running_loop().time

    @property
    def expecting(self) -> bool:
        """Whether the server has more that it was asked for."""
        return self._pending > 0 and self._credit > 0 and not self.broken

    async def open(self) -> None:
        """Create the consumer and ask for the first events. Problems end up in `broken`."""
        self._inbox_name = self._nc.new_inbox()
        try:
            self._inbox = await self._nc.subscribe(self._inbox_name, cb=self._on_status)
        except Error as exc:
            self.broken = f"cannot subscribe: {exc}"
            return
        self._nc.sinks[self._inbox._id] = self._on_delivery
        config = {
            "ack_policy": "none",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._after + 1,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": 60 * _SECOND,
            "max_deliver": 1,
        }
        if len(self.partitions) == 1:
            config["filter_subject"] = f"{PREFIX}.{min(self.partitions)}.>"
        answer = await api(
            self._nc, f"CONSUMER.CREATE.{self.stream}", {"stream_name": self.stream, "config": config}
        )
        if "error" in answer:
            self.broken = str(answer["error"].get("description", answer["error"]))
            return
        self._consumer = answer["name"]
        self._heard = self._now()
        await self.ask()

    async def close(self) -> None:
        """Stop reading; the consumer itself goes away at once, or by its own time-out."""
        self.broken = "closed"
        try:
            if self._inbox is not None:
                self._nc.sinks.pop(self._inbox._id, None)
                await self._inbox.unsubscribe()
            if self._consumer:
                await self._nc.publish(f"$JS.API.CONSUMER.DELETE.{self.stream}.{self._consumer}", b"")
        except Error as exc:
            logger.debug("%s: closing: %s", self.stream, exc)

    def check(self) -> None:
        """Notice a server that has gone silent: no event and no heartbeat, though something is asked for."""
        if not self.broken and self._credit > 0 and self._now() - self._heard > _SILENCE:
            self.broken = "the server is silent"

    async def ask(self) -> None:
        """Ask for more when less than half of the last request is outstanding and the buffer has room."""
        room = self._buffer.room()
        # At least one while there is room: a buffer smaller than the number of readers is slow, not stuck.
        most = _MAX_ASK * len(self.partitions)
        share = min(most, max(1, int(room / self._sharing))) if room else 0
        if self.broken or not self._consumer or self._credit > share // 2 or share == 0:
            return
        request = {
            "batch": share - self._credit,
            # A message larger than this could never be delivered, so the largest possible one must fit.
            "max_bytes": max(MAX_PAYLOAD + (64 << 10), int(self._buffer.max_bytes / self._sharing)),
            "expires": int(_EXPIRES * _SECOND),
            "idle_heartbeat": int(_HEARTBEAT * _SECOND),
        }
        if self._credit <= 0:
            self._heard = self._now()
        self._credit = share
        try:
            await self._nc.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{self._consumer}",
                json.dumps(request).encode(),
                reply=self._inbox_name,
            )
        except Error as exc:
            self.broken = f"cannot ask: {exc}"

    async def _on_status(self, message: Msg) -> None:
        if self.broken or (status := parse_status(message)) is None:
            return
        self._heard = self._now()
        if status.ends_request:
            self._credit = max(0, self._credit - status.unused)
            await self.ask()
        elif not status.is_heartbeat:
            self.broken = f"{status.code} {status.description or 'nothing answers'}".strip()

    def _on_delivery(self, subject: bytes, reply: bytes, body: bytes, headers: bytes) -> None:
        # Asks for no more by itself: every arrival makes the follower take, and then it asks.
        if self.broken:
            return
        self._heard = self._now()
        delivery = parse_delivery(reply.decode())
        self._consumer_sequence += 1
        if delivery.consumer_sequence != self._consumer_sequence:
            self.broken = f"gap: consumer sequence {delivery.consumer_sequence}"
            return
        self._credit -= 1
        self._pending = delivery.pending
        reached = self._last.get(subject.split(b".", 2)[1])
        if reached is not None and delivery.sequence > reached[1]:
            reached[1] = delivery.sequence
            self._buffer.put(
                RawEvent(
                    self.stream,
                    reached[0],
                    delivery.sequence,
                    delivery.stored_at,
                    readable(subject),
                    headers,
                    body,
                )
            )
