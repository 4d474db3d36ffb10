"""A pull consumer: messages of one stream, in order and without gaps, as many as were asked for.

It takes no acks and lives in the server's memory: where to begin is the reader's own knowledge. Back-pressure
is by credit: the server sends what was asked for and no more. The client's own ordered consumer is not used:
it can replay from the start or lose messages silently.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error

from line.delivery import Delivery, parse_delivery, parse_status
from line.jetstream import request_api
from runtime.compat.nats_client import BusClient
from schemas.times import format_time

logger = logging.getLogger("foldline.line")

Deliver = Callable[[Delivery, bytes, bytes, bytes], None]
"""Takes a delivery with its stored subject, body and header block. Must not raise."""

_SECOND: Final = 1_000_000_000
_HEARTBEAT: Final = 2.0
_EXPIRES: Final = 30.0
_SILENCE: Final = 2.5 * _HEARTBEAT


def start_after(sequence: int) -> dict[str, Any]:
    """Return the options of a consumer that begins after a sequence."""
    return {"deliver_policy": "by_start_sequence", "opt_start_seq": sequence + 1}


def start_at(moment: datetime) -> dict[str, Any]:
    """Return the options of a consumer that begins with what was stored at a moment or later."""
    return {"deliver_policy": "by_start_time", "opt_start_time": format_time(moment)}


class PullConsumer:
    """Hands every message to `deliver`, and calls `on_status` when the server says something else.

    Whenever anything looks wrong, `broken` says what, nothing more is delivered, and the consumer has to be
    closed and another one opened. `credit` is how many messages were asked for and did not arrive yet,
    `pending` how many were stored beyond the last delivery.
    """

    def __init__(
        self, nc: BusClient, stream: str, deliver: Deliver, on_status: Callable[[], Awaitable[None]]
    ) -> None:
        self.stream = stream
        self.broken: str | None = None
        self.credit = 0
        self.pending = 0
        self._nc = nc
        self._deliver = deliver
        self._on_status = on_status
        self._name = ""
        self._inbox = ""
        self._subscription: Subscription | None = None
        self._sequence = 0  # the consumer's own, of the last delivery
        self._now = asyncio.get_running_loop().time
        self._heard_at = self._now()
        self._reconnects = nc.stats["reconnects"]

    async def open(self, start: Mapping[str, Any], filter_subject: str | None = None) -> None:
        """Create the consumer; `start` comes from one of the functions above. Problems end up in `broken`."""
        if not self._nc.is_connected:
            self.broken = "not connected"  # the client would keep the subscription and make it later
            return
        self._inbox = self._nc.new_inbox()
        try:
            self._subscription = await self._nc.subscribe_sink(self._inbox, self._take, cb=self._take_status)
        except Error as exc:
            self.broken = f"cannot subscribe: {exc}"
            return
        config = {
            "ack_policy": "none",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": 60 * _SECOND,
            "max_deliver": 1,
            **start,
            **({"filter_subject": filter_subject} if filter_subject else {}),
        }
        made = await request_api(
            self._nc, f"CONSUMER.CREATE.{self.stream}", {"stream_name": self.stream, "config": config}
        )
        if error := made.get("error"):
            self.broken = str(error.get("description", error))
            return
        self._name = made["name"]
        self.pending = int(made["num_pending"])
        self._heard_at = self._now()

    @property
    def is_open(self) -> bool:
        """Whether messages may be asked for."""
        return bool(self._name) and not self.broken

    async def ask(self, messages: int, *, max_bytes: int | None = None) -> None:
        """Raise the credit to `messages`. Problems end up in `broken`."""
        request = {
            "batch": messages - self.credit,
            "expires": int(_EXPIRES * _SECOND),
            "idle_heartbeat": int(_HEARTBEAT * _SECOND),
            **({"max_bytes": max_bytes} if max_bytes else {}),
        }
        if self.credit <= 0:
            self._heard_at = self._now()
        self.credit = messages
        call = f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{self._name}"
        try:
            await self._nc.publish(call, json.dumps(request).encode(), reply=self._inbox)
        except Error as exc:
            self.broken = f"cannot ask: {exc}"

    def check(self) -> None:
        """Set `broken` when the server went away or is silent: neither message nor heartbeat when due."""
        if self.broken:
            return
        if self._nc.stats["reconnects"] != self._reconnects:
            self.broken = "reconnected"
        elif self.credit > 0 and self._now() - self._heard_at > _SILENCE:
            self.broken = "the server is silent"

    async def close(self) -> None:
        """Stop reading; the consumer itself goes away at once, or by its own time-out."""
        self.broken = self.broken or "closed"
        try:
            if self._subscription is not None:
                await self._nc.unsubscribe_sink(self._subscription)
            if self._name:
                await self._nc.publish(f"$JS.API.CONSUMER.DELETE.{self.stream}.{self._name}", b"")
        except Error as exc:
            logger.debug("%s: closing: %s", self.stream, exc)

    def _take(self, subject: bytes, reply: bytes, body: bytes, headers: bytes) -> None:
        if self.broken:
            return
        self._heard_at = self._now()
        delivery = parse_delivery(reply.decode())
        self._sequence += 1
        if delivery.consumer_sequence != self._sequence:
            self.broken = f"gap: consumer sequence {delivery.consumer_sequence}"
            return
        self.credit -= 1
        self.pending = delivery.pending
        self._deliver(delivery, subject, body, headers)

    async def _take_status(self, message: Msg) -> None:
        if self.broken or (status := parse_status(message)) is None:
            return
        self._heard_at = self._now()
        if status.ends_request:
            self.credit = max(0, self.credit - status.unused)
        elif not status.is_heartbeat:
            self.broken = f"{status.code} {status.description or 'nothing answers'}".strip()
        await self._on_status()
