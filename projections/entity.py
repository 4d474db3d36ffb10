"""The facts of one entity, read from the line itself: for looking back, and for folding one entity anew."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any, Final

from nats.aio.msg import Msg

from projections.recorded import RawEvent
from runtime.delivery import Status, parse_delivery, parse_status
from runtime.line import api
from runtime.problems import StreamUnavailable
from runtime.sinks import BusClient, readable

_SECOND: Final = 1_000_000_000
_AT_ONCE: Final = 500
_SILENCE: Final = 5.0


async def stored_events(
    nc: BusClient, stream: str, stored_filter: str, partition: int, *, after: int = 0
) -> AsyncGenerator[RawEvent, None]:
    """Every message of a filter that is stored now, beyond the sequence `after`, in the order of the line.

    Raises StreamUnavailable, or when messages went away while they were read.
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
        raise StreamUnavailable(stream, error)
    arrived: asyncio.Queue[RawEvent | Status] = asyncio.Queue()

    def put(subject: bytes, reply: bytes, body: bytes, headers: bytes) -> None:
        at = parse_delivery(reply.decode())
        arrived.put_nowait(
            RawEvent(stream, partition, at.sequence, at.stored_at, readable(subject), headers, body)
        )

    async def put_status(message: Msg) -> None:
        if (status := parse_status(message)) is not None:
            arrived.put_nowait(status)

    inbox = nc.new_inbox()
    subscription = await nc.subscribe(inbox, cb=put_status)
    nc.sinks[subscription._id] = put
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
                yield await _next(stream, arrived)
            left -= asked
    finally:
        del nc.sinks[subscription._id]
        await subscription.unsubscribe()
        await nc.publish(f"$JS.API.CONSUMER.DELETE.{stream}.{made['name']}", b"")


async def _next(stream: str, arrived: asyncio.Queue[RawEvent | Status]) -> RawEvent:
    try:
        event = await asyncio.wait_for(arrived.get(), _SILENCE + 1)
    except TimeoutError:
        raise StreamUnavailable(stream, "does not answer") from None
    if isinstance(event, RawEvent):
        return event
    raise StreamUnavailable(stream, f"{event.code} {event.description} while an entity was read")
