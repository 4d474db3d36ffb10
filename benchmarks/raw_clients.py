"""The most that NATS and PostgreSQL do through the client libraries, when nothing is done with the data.

The bare clients are used: ours look into every delivery, which takes a fifth of the raw rate of reading.
"""

import asyncio
import os
from typing import Any

import nats
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, DeliverPolicy

from benchmarks.meter import Meter
from benchmarks.steady_load import session_fact
from runtime.database.connections import connect
from runtime.settings.processes import UpSettings

_BATCH = 1_000  # the most messages that the server takes as one batch
_ROWS = 1_000  # of one transaction


async def store_messages(config: UpSettings, *, count: int) -> dict[str, Any]:
    """Store messages for `read_messages`, without headers: the client parses those letter by letter."""
    nc = await nats.connect(config.nats_url)
    inbox = nc.new_inbox()
    answers = await nc.subscribe(inbox)
    for start in range(0, count, _BATCH):
        numbers = range(start, min(start + _BATCH, count))
        for number in numbers:
            subject, body = session_fact("raw", 1_000, number)
            await nc.publish(subject, body.encode(), reply=inbox)
        for _ in numbers:
            await answers.next_msg(timeout=30)
    await nc.close()
    return {}


async def read_messages(config: UpSettings, *, count: int) -> dict[str, Any]:
    """Measure how many events a second an ordered consumer hands to a callback that only keeps them."""
    nc = await nats.connect(config.nats_url)
    kept: list[Msg] = []
    done = asyncio.Event()

    async def keep(message: Msg) -> None:
        kept.append(message)
        if len(kept) == count:
            done.set()

    meter = Meter(os.getppid())
    subscription = await nc.jetstream().subscribe(
        "",
        stream="SESSIONS",
        ordered_consumer=True,
        cb=keep,
        config=ConsumerConfig(deliver_policy=DeliverPolicy.ALL, filter_subject="ev.>"),
        pending_msgs_limit=-1,
        pending_bytes_limit=-1,
    )
    await done.wait()
    found = meter.read().over(count)
    await subscription.unsubscribe()
    await nc.close()
    return found


async def publish_batches(config: UpSettings, *, count: int, size: int = _BATCH) -> dict[str, Any]:
    """Measure how many events a second are stored by atomic batches of bare bodies, one after the other."""
    nc = await nats.connect(config.nats_url)
    facts = [session_fact("raw", 1_000, number) for number in range(count)]
    meter = Meter(os.getppid())
    for start in range(0, count, size):
        *leading, last = facts[start : start + size]
        for place, (subject, body) in enumerate(leading, 1):
            headers = {"Nats-Batch-Id": str(start), "Nats-Batch-Sequence": str(place)}
            await nc.publish(subject, body.encode(), headers=headers)
        headers = {
            "Nats-Batch-Id": str(start),
            "Nats-Batch-Sequence": str(len(leading) + 1),
            "Nats-Batch-Commit": "1",
        }
        _check_stored(await nc.request(last[0], last[1].encode(), timeout=30, headers=headers))
    found = meter.read().over(count)
    await nc.close()
    return found


async def publish_singles(config: UpSettings, *, count: int, callers: int) -> dict[str, Any]:
    """Measure how many events a second are stored one by one; each caller waits for its event."""
    nc = await nats.connect(config.nats_url)
    facts = iter([session_fact("raw", 1_000, number) for number in range(count)])
    meter = Meter(os.getppid())

    async def caller() -> None:
        for subject, body in facts:
            _check_stored(await nc.request(subject, body.encode(), timeout=30))

    await asyncio.gather(*(caller() for _ in range(callers)))
    found = meter.read().over(count)
    await nc.close()
    return found


async def copy_rows(config: UpSettings, *, count: int) -> dict[str, Any]:
    """Measure how many rows a second COPY stores, of one jsonb column, 1,000 in a transaction."""
    bodies = [session_fact("raw", 1_000, number)[1] for number in range(count)]
    async with await connect(config, name="bench-copy") as conn:
        await conn.execute(b"create table bench_copy (body jsonb not null)")
        meter = Meter(os.getppid())
        for start in range(0, count, _ROWS):
            async with (
                conn.transaction(),
                conn.cursor() as cursor,
                cursor.copy(b"copy bench_copy from stdin") as rows,
            ):
                for body in bodies[start : start + _ROWS]:
                    await rows.write_row((body,))
        found = meter.read().over(count)
        await conn.execute(b"drop table bench_copy")
    return found


def _check_stored(answer: Msg) -> None:
    if b'"error"' in answer.data:
        raise RuntimeError(f"not stored: {answer.data.decode()}")
