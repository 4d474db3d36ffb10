"""A whole stream as it arrives, in its own order and without gaps: what is shown live to many readers."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from typing import Any, Final

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error

from projections.recorded import RawEvent
from runtime.delivery import parse_delivery, parse_status
from runtime.line import api
from runtime.sinks import BusClient, readable

logger = logging.getLogger("foldline.tail")

_SECOND: Final = 1_000_000_000
_AT_ONCE: Final = 500
_EXPIRES: Final = 30
_HEARTBEAT: Final = 2
_SILENCE: Final = 2.5 * _HEARTBEAT
_PAUSE: Final = 0.3


class _Broken(Exception):
    """The subscription cannot go on; another one can, behind what was read."""


async def follow(nc: BusClient, stream: str, after: int) -> AsyncGenerator[list[RawEvent], None]:
    """Everything stored beyond the sequence `after`, as it comes, for ever; an outage is only a pause.

    What is taken is asked for: a slow reader holds nothing but one request.
    """
    told = ""
    while True:
        try:
            async for events in _subscribed(nc, stream, after):
                after, told = events[-1].sequence, ""
                yield events
        except (_Broken, Error, OSError) as exc:
            if (why := f"stream {stream} is read anew behind {after}: {exc}") != told:
                logger.info(why)
            told = why
        await asyncio.sleep(_PAUSE)


async def _subscribed(nc: BusClient, stream: str, after: int) -> AsyncGenerator[list[RawEvent], None]:
    reading = _Reading(nc, stream)
    try:
        await reading.open(after)
        while True:
            yield await reading.take()
    finally:
        await reading.close()


class _Reading:
    """One pull consumer, and what of its deliveries was not taken yet."""

    def __init__(self, nc: BusClient, stream: str) -> None:
        self._nc = nc
        self._stream = stream
        self._inbox = nc.new_inbox()
        self._arrived: list[RawEvent] = []
        self._heard = asyncio.Event()
        self._broken: str | None = None
        self._count = 0
        self._left = 0
        self._name = ""
        self._reconnects = nc.stats["reconnects"]
        self._subscription: Subscription | None = None

    async def open(self, after: int) -> None:
        if not self._nc.is_connected:
            raise _Broken("not connected")  # the client would keep what it is asked, and subscribe later
        self._subscription = await self._nc.subscribe(self._inbox, cb=self._on_status)
        self._nc.sinks[self._subscription._id] = self._on_delivery
        config: dict[str, Any] = {
            "ack_policy": "none",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": after + 1,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": 60 * _SECOND,
            "max_deliver": 1,
        }
        made = await api(
            self._nc, f"CONSUMER.CREATE.{self._stream}", {"stream_name": self._stream, "config": config}
        )
        if error := made.get("error"):
            raise _Broken(error.get("description", error))
        self._name = made["name"]

    async def take(self) -> list[RawEvent]:
        """What has arrived, at least one."""
        while not self._arrived:
            if self._broken or self._nc.stats["reconnects"] != self._reconnects:
                raise _Broken(self._broken or "reconnected")
            if self._left <= 0:
                await self._ask()
            self._heard.clear()
            try:
                async with asyncio.timeout(_SILENCE):
                    await self._heard.wait()
            except TimeoutError:
                raise _Broken("the server is silent") from None
        taken, self._arrived = self._arrived, []
        return taken

    async def close(self) -> None:
        if self._subscription is None:
            return
        self._nc.sinks.pop(self._subscription._id, None)
        try:
            await self._subscription.unsubscribe()
            if self._name:
                await self._nc.publish(f"$JS.API.CONSUMER.DELETE.{self._stream}.{self._name}", b"")
        except Error as exc:
            logger.debug("closing: %s", exc)

    async def _ask(self) -> None:
        request = {
            "batch": _AT_ONCE,
            "expires": _EXPIRES * _SECOND,
            "idle_heartbeat": _HEARTBEAT * _SECOND,
        }
        self._left = _AT_ONCE
        await self._nc.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}",
            json.dumps(request).encode(),
            reply=self._inbox,
        )

    def _on_delivery(self, subject: bytes, reply: bytes, body: bytes, headers: bytes) -> None:
        delivery = parse_delivery(reply.decode())
        text = readable(subject)
        self._count += 1
        self._left -= 1
        self._heard.set()
        part = text.split(".", 2)[1]
        if delivery.consumer_sequence != self._count or not part.isdecimal():
            self._broken = f"gap: consumer sequence {delivery.consumer_sequence}"
        if self._broken is None:
            self._arrived.append(
                RawEvent(self._stream, int(part), delivery.sequence, delivery.stored_at, text, headers, body)
            )

    async def _on_status(self, message: Msg) -> None:
        if (status := parse_status(message)) is None:
            return
        if status.ends_request:
            self._left = 0
        elif not status.is_heartbeat:
            self._broken = f"{status.code} {status.description}".strip()
        self._heard.set()
