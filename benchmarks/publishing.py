"""The publisher, from one process: bulk calls, and 64 callers with one event each."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from benchmarks.steady import fact
from producers.publisher import Ack, Publisher, checked_fact
from runtime.bus import close_bus, connect_bus
from runtime.settings import Settings
from schemas.facts import Fact
from schemas.subjects import Subject

_BULK = 2_000
_CALLERS = 64


def _fact(name: str, number: int) -> Fact:
    subject, body = fact(name, 1_000, number)
    _, site, entity, id_, kind = subject.split(".")
    return checked_fact(Subject(site, entity, id_, kind), body.encode(), now=datetime.now(UTC))


async def bulk(config: Settings, *, count: int) -> dict[str, Any]:
    """Events a second acknowledged, checks of the bodies included, 2,000 a call, two calls under way."""
    nc = await connect_bus(config, name="bench-bulk", publisher=True)
    publisher = Publisher(nc, partitions=config.partitions, timeout=30)
    began = time.perf_counter()
    limit = asyncio.Semaphore(2)

    async def call(start: int) -> None:
        async with limit:
            facts = [_fact("bulk", number) for number in range(start, min(start + _BULK, count))]
            for outcome in await publisher.publish_many(facts):
                if not isinstance(outcome, Ack):
                    raise outcome

    await asyncio.gather(*(call(start) for start in range(0, count, _BULK)))
    rate = count / (time.perf_counter() - began)
    await publisher.aclose()
    await close_bus(nc)
    return {"rate": rate}


async def one_by_one(config: Settings, *, count: int) -> dict[str, Any]:
    """The same from 64 callers that each wait for their event before they have the next."""
    nc = await connect_bus(config, name="bench-single", publisher=True)
    publisher = Publisher(nc, partitions=config.partitions, timeout=30)
    numbers = iter(range(count))
    began = time.perf_counter()

    async def caller() -> None:
        for number in numbers:
            await publisher.publish(_fact("single", number))

    await asyncio.gather(*(caller() for _ in range(_CALLERS)))
    rate = count / (time.perf_counter() - began)
    await publisher.aclose()
    await close_bus(nc)
    return {"rate": rate}
