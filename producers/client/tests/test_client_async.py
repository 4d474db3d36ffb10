"""Sessions and clients of asyncio programs, against real servers."""

import asyncio
import time
from typing import Any

import pytest
from client_http_server import HttpServer
from client_nats_server import NatsServer

from foldline_client import AsyncClient, DetailsUnavailable, create_async_session

FAST: dict[str, Any] = {"retry_first": 0.02, "retry_max": 0.2}


async def test_a_whole_session_over_nats(nats_server: NatsServer) -> None:
    async with await create_async_session(nats_server.url, product="App", version="1") as session:
        session.update_state({"status": "running"})
        session.start_heartbeat_monitor(0.05)
        with session.timer("work"):
            await asyncio.sleep(0)
        assert await session.flush()
        with pytest.raises(DetailsUnavailable, match="api_url"):
            await session.get_details()
    found = [subject.rpartition(".")[2] for subject, _, _ in nats_server.messages()]
    assert found == ["created", "state", "metric", "ended"]
    assert len(nats_server.messages("HEARTBEATS")) == 1


async def test_an_exception_is_logged(http_server: HttpServer) -> None:
    with pytest.raises(KeyError):
        async with await create_async_session(http_server.url, "App", "1"):
            raise KeyError("missing")
    assert [body.get("exception_type") for _, body, _ in http_server.requests] == [None, "KeyError", None]


async def test_a_cancelled_session_just_ends(http_server: HttpServer) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with await create_async_session(http_server.url, "App", "1"):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [path.rpartition("/")[2] for path, _, _ in http_server.requests] == ["sessions", "end"]


async def test_nothing_waits_for_a_server_that_is_away(bare_http: HttpServer) -> None:
    session = await create_async_session(bare_http.url, "App", "1", **FAST)
    started = time.monotonic()
    for _ in range(100):
        session.log_event("e")
    assert time.monotonic() - started < 0.5
    assert not await session.flush(0.1)
    bare_http.start()
    # 102 requests, one after the other: 0.2 s on an idle machine, more than crash()'s own 5 s on a busy one.
    assert await session.crash("gone", timeout=60)
    assert len(bare_http.requests) == 102
    assert bare_http.requests[-1][1] == {"reason": "gone"}


async def test_details_and_shared_clients(http_server: HttpServer) -> None:
    async with AsyncClient(http_server.url) as client:
        session = await client.create_session("App", "1")
        details = await session.get_details()
        assert details["id"] == session.session_id
        assert await session.end()
        other = await client.create_session("App", "2")
        assert await other.end()
    assert client.get_stats()["delivered"] == 4
    assert client.get_stats()["queued"] == 0
