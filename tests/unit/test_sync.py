"""The start check of every NATS server's monitoring port: which answers let a process start."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest

from foldline.settings import Settings
from line.problems import LineProblem
from line.sync import check_sync

CLOSED = "http://127.0.0.1:1"  # nobody listens there


class Monitors:
    """Small HTTP servers that answer like /jsz of a NATS server that syncs, or does not."""

    def __init__(self) -> None:
        self.servers: list[asyncio.Server] = []

    async def url(self, *, synced: bool) -> str:
        body = json.dumps({"config": {"sync_always": synced}}).encode()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        self.servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
async def monitors() -> AsyncIterator[Monitors]:
    made = Monitors()
    yield made
    for server in made.servers:
        server.close()


async def check(*urls: str, replicas: int = 1, wait: float = 0.0) -> None:
    settings = Settings(_env_file=None, nats_monitor_url=", ".join(urls), stream_replicas=replicas)
    await check_sync(settings, time.monotonic() + wait)


async def test_all_that_sync_are_fine(monitors: Monitors) -> None:
    await check(*[await monitors.url(synced=True) for _ in range(3)], replicas=3)


async def test_one_that_does_not_sync_is_refused(monitors: Monitors) -> None:
    unsynced = await monitors.url(synced=False)
    urls = [await monitors.url(synced=True), await monitors.url(synced=True), unsynced]
    with pytest.raises(LineProblem, match=f"NATS at {unsynced[7:]} acknowledges before it syncs"):
        await check(*urls)


async def test_a_minority_that_is_down_is_told_and_blocks_nobody(
    monitors: Monitors, caplog: pytest.LogCaptureFixture
) -> None:
    await check(await monitors.url(synced=True), CLOSED, await monitors.url(synced=True))
    assert "cannot see whether NATS syncs before it acknowledges: no answer from 127.0.0.1:1" in caplog.text


async def test_more_than_half_must_answer(monitors: Monitors) -> None:
    with pytest.raises(LineProblem, match=r"at 127.0.0.1:1 \(.+\): 1 of 2 servers answer, more than half"):
        await check(await monitors.url(synced=True), CLOSED)


async def test_none_that_answers_is_refused_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(LineProblem, match="0 of 1 servers answer"):
        await check(CLOSED, wait=60)
    assert time.monotonic() - began < 30


async def test_every_copy_is_kept_by_a_server_that_can_be_seen(monitors: Monitors) -> None:
    url = await monitors.url(synced=True)
    with pytest.raises(LineProblem, match="FOLDLINE_STREAM_REPLICAS is 3, but only 1"):
        await check(url, url + "/", replicas=3)
