"""The facts of one entity, read from the line itself: for looking back, and for folding one entity anew."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg

from projections.recorded import RawEvent
from runtime.delivery import parse_delivery, parse_status
from runtime.line import api

_SECOND: Final = 1_000_000_000
_AT_ONCE: Final = 500
_SILENCE: Final = 5.0


async def stored_events(
    nc: Client, stream: str, stored_filter: str, partition: int, *, after: int = 0
) -> AsyncIterator[RawEvent]:
    """Every message of a filter that is stored now, beyond the sequence `after`, in the order of the line.

    Raises LookupError when the stream does not answer, or when messages went away while they were read.
    """
    config: dict[str, Any] = {
        "ack_policy": "none",
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": after + 1,
        "filter_subject": stored_filter,
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": 60 * _SECOND,
        "max_deliver": 1,
    }
    made = await api(nc, f"CONSUMER.CREATE.{stream}", {"stream_name": stream, "config": config})
    if error := made.get("error"):
        raise LookupError(f"stream {stream}: {error.get('description', error)}")
    arrived: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = nc.new_inbox()
    subscription = await nc.subscribe(inbox, cb=arrived.put)
    try:
        left = int(made["num_pending"])
        while left:
            asked = min(left, _AT_ONCE)
            request = {"batch": asked, "expires": int(_SILENCE * _SECOND)}
            await nc.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{made['name']}",
                json.dumps(request).encode(),
                reply=inbox,
            )
            for _ in range(asked):
                yield _event(stream, partition, await _next(stream, arrived))
            left -= asked
    finally:
        await subscription.unsubscribe()
        await nc.publish(f"$JS.API.CONSUMER.DELETE.{stream}.{made['name']}", b"")


async def _next(stream: str, arrived: asyncio.Queue[Msg]) -> Msg:
    try:
        message = await asyncio.wait_for(arrived.get(), _SILENCE + 1)
    except TimeoutError:
        raise LookupError(f"stream {stream} does not answer") from None
    if (status := parse_status(message)) is not None:
        raise LookupError(f"stream {stream}: {status.code} {status.description} while an entity was read")
    return message


def _event(stream: str, partition: int, message: Msg) -> RawEvent:
    delivery = parse_delivery(message.reply)
    return RawEvent(
        stream=stream,
        partition=partition,
        sequence=delivery.sequence,
        stored_at=delivery.stored_at,
        subject=message.subject,
        headers=message.headers or {},
        body=message.data,
    )
