"""Durables on a real server: made where they are missing, changed where they differ, and paused."""

from typing import Any

import nats.errors
import pytest
from nats.aio.client import Client
from nats.js.client import JetStreamContext

from line.durables import Durable, change_durable, find_durable, make_durable, pause_durable
from line.jetstream import request_api
from line.problems import StreamUnavailable
from schemas.subjects import PREFIX
from tests.support.line import Line

TOY = Durable("SESSIONS", "toy", (f"{PREFIX}.*.*.session.*.ended",), 30.0, 1)
BOTH = Durable("SESSIONS", "toy", (*TOY.filters, f"{PREFIX}.*.*.session.*.crashed"), 30.0, 2)


async def subscription(nc: Client) -> JetStreamContext.PullSubscription:
    return await nc.jetstream().pull_subscribe_bind(durable=TOY.name, stream=TOY.stream)


async def fetched(nc: Client, count: int) -> list[int]:
    """Fetch and acknowledge; returns the sequences."""
    reader = await subscription(nc)
    messages = await reader.fetch(count, timeout=5)
    for message in messages:
        await message.ack_sync()
    await reader.unsubscribe()
    return [message.metadata.sequence.stream for message in messages]


async def create(nc: Client, **changes: Any) -> None:
    """Make the consumer as somebody else would."""
    config = TOY.config() | changes
    answer = await request_api(
        nc, f"CONSUMER.CREATE.{TOY.stream}.{TOY.name}", {"stream_name": TOY.stream, "config": config}
    )
    assert "error" not in answer, answer


async def test_one_is_made_once(settings: object, nc: Client) -> None:
    line = Line(nc)
    assert await find_durable(nc, TOY) is None
    first, _, second = [await line.put(fact, "S1") for fact in ("ended", "created", "ended")]
    await make_durable(nc, TOY, after=0, paused=False)
    found = await find_durable(nc, TOY)
    assert found
    assert (found.ack_floor, found.pending, found.paused) == (0, 2, False)
    assert TOY.drift(found.config) == []
    assert await fetched(nc, 1) == [first]
    await make_durable(nc, TOY, after=0, paused=False)
    await make_durable(nc, TOY, after=2, paused=True)
    again = await find_durable(nc, TOY)
    assert again
    assert (again.ack_floor, again.pending, again.paused) == (first, 1, False)
    assert await fetched(nc, 1) == [second]


async def test_one_begins_after_a_sequence(settings: object, nc: Client) -> None:
    line = Line(nc)
    await line.put("ended", "S1")
    floor = await line.put("ended", "S2")
    behind = await line.put("ended", "S3")
    await make_durable(nc, TOY, after=floor, paused=False)
    found = await find_durable(nc, TOY)
    assert found
    assert (found.ack_floor, found.pending) == (floor, 1)
    assert await fetched(nc, 1) == [behind]


@pytest.mark.parametrize(
    "changes",
    [
        {"ack_wait": 1_000_000_000},
        {"max_deliver": 3},
        {"filter_subject": f"{PREFIX}.>"},
        {"metadata": {}},
        {"deliver_subject": "somewhere.else"},  # what follows the server refuses to change
        {"ack_policy": "none"},
        {"deliver_policy": "new"},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_difference_is_mended(settings: object, nc: Client, changes: dict[str, Any]) -> None:
    line = Line(nc)
    await create(nc, **changes)
    found = await find_durable(nc, TOY)
    assert found
    assert len(TOY.drift(found.config)) == 1
    await change_durable(nc, TOY, found, after=0, paused=False)
    mended = await find_durable(nc, TOY)
    assert mended
    assert TOY.drift(mended.config) == []
    ended = await line.put("ended", "S1")
    assert await fetched(nc, 1) == [ended]


async def test_a_change_goes_on_where_it_was(settings: object, nc: Client) -> None:
    line = Line(nc)
    await make_durable(nc, TOY, after=0, paused=False)
    first = await line.put("ended", "S1")
    assert await fetched(nc, 1) == [first]
    found = await find_durable(nc, TOY)
    assert found
    await change_durable(nc, BOTH, found, after=0, paused=False)
    widened = await find_durable(nc, BOTH)
    assert widened
    assert BOTH.drift(widened.config) == []
    assert TOY.drift(widened.config) == []  # the older program leaves it alone
    crashed, ended = await line.put("crashed", "S1"), await line.put("ended", "S2")
    assert await fetched(nc, 2) == [crashed, ended]


async def test_a_pause_outlives_a_change_and_loses_nothing(settings: object, nc: Client) -> None:
    line = Line(nc)
    await make_durable(nc, TOY, after=0, paused=True)
    sequence = await line.put("ended", "S1")
    found = await find_durable(nc, TOY)
    assert found
    assert found.paused
    await change_durable(nc, BOTH, found, after=0, paused=True)
    changed = await find_durable(nc, BOTH)
    assert changed
    assert (changed.paused, changed.pending) == (True, 1)
    reader = await subscription(nc)
    with pytest.raises(nats.errors.TimeoutError):
        await reader.fetch(1, timeout=0.3)
    await pause_durable(nc, TOY, paused=False)
    (message,) = await reader.fetch(1, timeout=5)
    assert (message.metadata.sequence.stream, message.metadata.num_delivered) == (sequence, 1)
    await pause_durable(nc, TOY, paused=True)
    again = await find_durable(nc, TOY)
    assert again
    assert again.paused


async def test_a_stream_that_is_not_there_is_unavailable(settings: object, nc: Client) -> None:
    elsewhere = Durable("NOTHING", "toy", TOY.filters, 30.0, 1)
    with pytest.raises(StreamUnavailable):
        await find_durable(nc, elsewhere)
    with pytest.raises(StreamUnavailable):
        await make_durable(nc, elsewhere, after=0, paused=False)
