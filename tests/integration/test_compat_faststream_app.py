"""What we take from the insides of FastStream's application and of its log."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import nats
import pytest
from faststream import FastStream
from faststream.nats import JStream, NatsBroker, PullSub
from nats.js import JetStreamContext
from nats.js.api import StorageType

from foldline.embedded.nats import NatsServer
from runtime.compat.faststream_app import is_asked_to_stop, is_no_empty_fetch
from tests.support.waiting import wait_until


class IdleBroker(NatsBroker):
    """Connects to nothing: the app would cancel it in the middle of that, and leave an open socket behind."""

    async def start(self) -> None: ...


async def test_an_app_knows_that_it_was_asked_to_stop_while_it_starts() -> None:
    seen: list[bool] = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        seen.append(is_asked_to_stop(app))
        os.kill(os.getpid(), signal.SIGTERM)
        await wait_until(lambda: is_asked_to_stop(app))
        seen.append(True)
        yield

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        app = FastStream(IdleBroker(logger=None), lifespan=lifespan, logger=None)
        await asyncio.wait_for(app.run(), 10)
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
    assert seen == [False, True]


@pytest.mark.parametrize(("filtered", "logged"), [(True, 0), (False, 1)])
async def test_a_fetch_that_found_nothing_is_no_error(
    shared_nats: NatsServer, monkeypatch: pytest.MonkeyPatch, filtered: bool, logged: int
) -> None:
    """The second case shows that FastStream still logs it: the day it does not, the filter can go."""
    records: list[logging.LogRecord] = []
    log = logging.getLogger(f"test.faststream.{filtered}")
    log.setLevel(logging.ERROR)
    log.propagate = False
    log.addHandler(_Keeping(records))
    if filtered:
        log.addFilter(is_no_empty_fetch)
    failures = iter([TimeoutError(f"{filtered}")])  # FastStream logs the same error only once an hour
    fetch = JetStreamContext.PullSubscription.fetch

    async def fetch_in_vain(self: Any, *args: Any, **options: Any) -> Any:
        for failure in failures:
            raise failure
        return await fetch(self, *args, **options)

    monkeypatch.setattr(JetStreamContext.PullSubscription, "fetch", fetch_in_vain)
    handled: list[str] = []
    broker = NatsBroker([shared_nats.url], logger=log)

    @broker.subscriber(
        "compat.fetched",
        stream=JStream("COMPAT_FETCH", declare=False),
        durable="fetcher",
        pull_sub=PullSub(timeout=0.2),
    )
    async def handle(text: str) -> None:
        handled.append(text)

    nc = await nats.connect(shared_nats.url)
    stream = nc.jetstream()
    await stream.add_stream(name="COMPAT_FETCH", subjects=["compat.fetched"], storage=StorageType.MEMORY)
    try:
        async with broker:
            await broker.start()
            await stream.publish("compat.fetched", b"after all")
            await wait_until(lambda: handled == ["after all"])
    finally:
        await stream.delete_stream("COMPAT_FETCH")
        await nc.close()
    assert len([record for record in records if record.exc_info]) == logged


class _Keeping(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)
