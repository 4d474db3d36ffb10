"""The relay between two processes, on real sockets: requests and answers as they come, errors as they are."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

import runtime.http.relay as relay_module
from foldline.embedded.ports import pick_port
from runtime.http.envelopes import AGENTS
from runtime.http.relay import Relay
from tests.support.http import http_client
from tests.support.relay_ends import Front, Upstream
from tests.support.served import served
from tests.support.waiting import wait_until


@asynccontextmanager
async def relay_to(url: str) -> AsyncIterator[Front]:
    relay = Relay("the agents API", url, AGENTS)
    front = Front(relay)
    async with relay.lifespan(), served(front) as front.url:
        yield front


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def front(upstream: Upstream) -> AsyncIterator[Front]:
    async with served(upstream) as url, relay_to(url) as front:
        yield front


@pytest.fixture
async def client(front: Front) -> AsyncIterator[httpx.AsyncClient]:
    async with http_client(front.url, timeout=20) as client:
        yield client


async def test_a_request_arrives_as_it_was_sent(client: httpx.AsyncClient) -> None:
    headers = {
        "X-Own": "kept",
        "Authorization": "Bearer t",
        "Connection": "close, X-Hop",
        "X-Hop": "dropped",
        "TE": "trailers",
        "Proxy-Authorization": "dropped",
        "Host": "example.test:8000",
        "X-Forwarded-For": "10.0.0.1",
    }
    target = "/api/v1/a%2Fb%20c/%C3%A9?q=%22x%22&q=2&empty="
    answer = await client.post(target, content=b"\x00\xffbody", headers=headers)
    told = answer.json()
    assert (told["method"], f"{told['path']}?{told['query']}", told["body"]) == (
        "POST",
        target,
        "\x00\xffbody",
    )
    seen = dict(told["headers"])
    assert len(seen) == len(told["headers"])
    assert {name: seen[name] for name in ("x-own", "authorization", "host", "via", "content-length")} == {
        "x-own": "kept",
        "authorization": "Bearer t",
        "host": "example.test:8000",
        "via": "1.1 foldline",
        "content-length": "6",
    }
    assert {name: seen[name] for name in seen if name.startswith("x-forwarded-")} == {
        "x-forwarded-for": "10.0.0.1, 127.0.0.1",
        "x-forwarded-host": "example.test:8000",
        "x-forwarded-proto": "http",
    }
    assert not {"x-hop", "te", "proxy-authorization"} & set(seen)


async def test_an_answer_comes_back_as_it_was_given(client: httpx.AsyncClient) -> None:
    answer = await client.get("/anything")
    assert (answer.status_code, answer.headers["location"]) == (307, "/elsewhere")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert "x-private" not in answer.headers
    assert len(answer.headers.get_list("date")) == 1
    assert answer.json()["body"] == ""
    head = await client.head("/anything")
    assert (head.status_code, head.content) == (307, b"")


async def test_a_body_is_sent_on_as_it_comes(client: httpx.AsyncClient, upstream: Upstream) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        await wait_until(lambda: b"".join(upstream.parts) == b"one")
        yield b"two"

    assert (await client.post("/upload", content=parts())).content == b"6"
    upstream.parts.clear()
    sized = await client.post("/upload", content=parts(), headers={"Content-Length": "6"})
    assert sized.content == b"6"


async def test_an_answer_is_sent_back_as_it_comes(client: httpx.AsyncClient, upstream: Upstream) -> None:
    async with client.stream("GET", "/stream") as answer:
        parts = answer.aiter_raw()
        assert await anext(parts) == b"one"
        upstream.go_on.set()
        assert await anext(parts) == b"two"


async def test_many_bytes_wait_for_a_slow_reader(client: httpx.AsyncClient, upstream: Upstream) -> None:
    async with client.stream("GET", "/large") as answer:
        parts = answer.aiter_raw(1)
        await anext(parts)
        await wait_until(lambda: upstream.parts)
        before = -1
        while before != len(upstream.parts):  # until nothing moves any more
            before = len(upstream.parts)
            await asyncio.sleep(0.3)
        assert before < 1000  # of 4000: 64 MB, of which the sockets hold a few


@pytest.mark.parametrize("path", ["/silent", "/stream"])
async def test_a_client_that_leaves_ends_its_request_upstream(
    front: Front, upstream: Upstream, path: str
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(front.url).port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    if path == "/stream":
        await reader.readuntil(b"one")
    else:
        await wait_until(lambda: upstream.parts)
    writer.close()
    await asyncio.wait_for(upstream.left.wait(), 10)


async def test_a_client_that_leaves_in_its_body_ends_its_request_upstream(
    front: Front, upstream: Upstream
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(front.url).port)
    writer.write(b"POST /upload HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\nhalf")
    await wait_until(lambda: upstream.parts == [b"half"])
    writer.close()
    await asyncio.wait_for(upstream.left.wait(), 10)


async def test_an_answer_that_breaks_off_breaks_off_here_too(client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/cut")


async def test_a_live_stream_ends_when_the_process_stops(front: Front, client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/stream") as answer:
        parts = answer.aiter_raw()
        assert await anext(parts) == b"one"
        front.stopping.set()
        assert [part async for part in parts] == []


async def test_an_upstream_that_is_away_is_a_503_in_the_envelope_until_it_is_back() -> None:
    port = pick_port("127.0.0.1", set())
    async with relay_to(f"http://127.0.0.1:{port}") as front, http_client(front.url, timeout=20) as client:
        away = await client.post("/api/v1/sessions", json={})
        body = away.json()
        assert (away.status_code, away.headers["retry-after"]) == (503, "1")
        assert body == {
            "detail": "the agents API does not answer; try again",
            "error_code": "UNAVAILABLE",
            "timestamp": body["timestamp"],
        }
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{front.url.replace('http', 'ws')}/live", proxy=None)
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["retry-after"] == "1"
        assert json.loads(refused.value.response.body or b"")["error_code"] == "UNAVAILABLE"
        async with served(Upstream(), port):
            assert (await client.get("/anything")).status_code == 307
        assert (await client.get("/anything")).status_code == 503


async def test_so_many_requests_are_under_way(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_MOST", 1)
    monkeypatch.setattr(relay_module, "_CONNECT_S", 0.2)
    async with served(upstream) as url, relay_to(url) as front, http_client(front.url, timeout=20) as client:
        async with client.stream("GET", "/stream") as answer:
            parts = answer.aiter_raw()
            await anext(parts)
            busy = await client.get("/anything")
        assert (busy.status_code, busy.json()["detail"]) == (
            503,
            "the agents API is busy: 1 requests are under way; try again",
        )
        await wait_until(upstream.left.is_set)
        assert (await client.get("/anything")).status_code == 307


async def test_a_silent_upstream_is_given_up(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_SILENCE_S", 0.2)
    async with served(upstream) as url, relay_to(url) as front, http_client(front.url, timeout=20) as client:
        silent = await client.get("/silent")
    assert (silent.status_code, silent.json()["detail"]) == (
        503,
        "the agents API did not answer within 0.2 s; try again",
    )


async def test_messages_of_a_websocket_pass_both_ways(front: Front) -> None:
    url = f"{front.url.replace('http', 'ws')}/api/v1/a%20b/stream?token=J%26W"
    async with connect(url, subprotocols=[Subprotocol("foldline")], proxy=None) as socket:
        assert socket.subprotocol == "foldline"
        about: dict[str, Any] = json.loads(await socket.recv())
        assert (about["path"], about["query"]) == ("/api/v1/a b/stream", "token=J%26W")
        assert about["headers"]["host"] == httpx.URL(front.url).netloc.decode()
        assert about["headers"]["x-forwarded-for"] == "127.0.0.1"
        for message in ("text", "", b"bytes", "ü" * 200_000, bytes(1 << 20)):
            await socket.send(message)
            assert await socket.recv() == message
        await asyncio.gather(*(socket.send(str(number)) for number in range(100)))
        assert [await socket.recv() for _ in range(100)] == [str(number) for number in range(100)]


async def test_a_websocket_closes_on_both_sides_with_its_code(front: Front, upstream: Upstream) -> None:
    url = front.url.replace("http", "ws")
    async with connect(f"{url}/live", proxy=None) as socket:
        await socket.recv()
        await socket.send("close")
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "asked to")
    async with connect(f"{url}/live", proxy=None) as socket:
        await socket.recv()
        await socket.close(4002, "had enough")
    await asyncio.wait_for(upstream.left.wait(), 10)
    assert upstream.parts == [b"4002 had enough"]


async def test_a_client_that_vanishes_closes_the_websocket_upstream(front: Front, upstream: Upstream) -> None:
    socket = await connect(f"{front.url.replace('http', 'ws')}/live", proxy=None)
    await socket.recv()
    socket.transport.abort()
    await asyncio.wait_for(upstream.left.wait(), 10)
    assert upstream.parts == [b"1001 "]


async def test_a_refused_websocket_is_refused_in_the_same_words(front: Front) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{front.url.replace('http', 'ws')}/refused", proxy=None)
    response = refused.value.response
    assert (response.status_code, response.body) == (401, b'{"detail":"who are you?"}')
    assert response.headers["www-authenticate"] == "Bearer"


async def test_metrics_of_the_other_process(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    def up() -> float | None:
        return REGISTRY.get_sample_value("foldline_relay_up", {"upstream": "the agents API"})

    async with served(upstream) as url, relay_to(url) as front:
        assert (await front.relay.scrape(), up()) == (upstream.text, 1)
        monkeypatch.setattr(relay_module, "_MOST_METRICS", 10)
        assert (await front.relay.scrape(), up()) == (b"", 0)
        monkeypatch.undo()
        assert (await front.relay.scrape(), up()) == (upstream.text, 1)
    async with relay_to(url) as front:
        assert (await front.relay.scrape(), up()) == (b"", 0)


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "127.0.0.1:8001", "http://127.0.0.1:8001/below"])
def test_a_relay_needs_the_address_of_a_process(url: str) -> None:
    with pytest.raises(ValueError, match="is not like"):
        Relay("the agents API", url, AGENTS)
