"""The publisher in one process: bulk calls, and 64 callers with one event each."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from benchmarks.meter import Meter
from benchmarks.steady_load import session_fact
from line.connection import close_bus, connect_bus
from producers.admission import admit_fact
from producers.publishing.publisher import Ack, Publisher
from runtime.process.garbage import collect_rarely
from runtime.settings.processes import UpSettings
from schemas.facts import Fact
from schemas.subjects import Subject

_BULK = 2_000
CALLERS = 64
_UNDER_WAY = 4  # bulk calls at the same time


async def publish_bulk(config: UpSettings, *, count: int) -> dict[str, Any]:
    """Measure how many events a second are acknowledged, 2,000 a call.

    The facts are made before, as the messages of the raw limit are.
    """
    facts = [made() for made in _facts("bulk", count)]
    return await _bulk(config, count, lambda start: facts[start : start + _BULK])


async def publish_validated(config: UpSettings, *, count: int) -> dict[str, Any]:
    """Measure the same when each call validates its bodies and makes facts of them."""
    making = _facts("checked", count)
    return await _bulk(config, count, lambda start: [made() for made in making[start : start + _BULK]])


async def publish_singly(config: UpSettings, *, count: int) -> dict[str, Any]:
    """Measure how many events a second 64 callers publish that each wait for theirs before the next."""
    facts = iter([made() for made in _facts("single", count)])
    async with _publisher(config) as publisher:
        meter = Meter(os.getppid())

        async def caller() -> None:
            for one in facts:
                await publisher.publish(one)

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return meter.read().over(count)


async def _bulk(config: UpSettings, count: int, facts: Callable[[int], list[Fact]]) -> dict[str, Any]:
    async with _publisher(config) as publisher:
        limit = asyncio.Semaphore(_UNDER_WAY)
        meter = Meter(os.getppid())

        async def call(start: int) -> None:
            async with limit:
                for outcome in await publisher.publish_many(facts(start)):
                    if not isinstance(outcome, Ack):
                        raise outcome

        await asyncio.gather(*(call(start) for start in range(0, count, _BULK)))
        return meter.read().over(count)


@asynccontextmanager
async def _publisher(config: UpSettings) -> AsyncIterator[Publisher]:
    nc = await connect_bus(config, name="bench-publisher", publisher=True)
    publisher = Publisher(nc, partitions=config.partitions, timeout=30)
    collect_rarely()  # as all our servers do
    try:
        yield publisher
    finally:
        await publisher.aclose()
        await close_bus(nc)


def _facts(name: str, count: int) -> list[Callable[[], Fact]]:
    """Functions that each validate a subject and a body, made before, and make a fact of them."""

    def making(subject: Subject, body: bytes) -> Callable[[], Fact]:
        return lambda: admit_fact(subject, body, now=datetime.now(UTC))

    found = []
    for number in range(count):
        subject, body = session_fact(name, 1_000, number)
        found.append(making(Subject.parse(subject), body.encode()))
    return found
