"""Relay: an application that passes requests on to another process of ours, and its answers back."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpx
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from websockets.exceptions import InvalidURI

from runtime.http.envelopes import Envelope
from runtime.http.error_handlers import answer
from runtime.http.errors import HttpProblem, unavailable
from runtime.http.proxy_headers import request_headers, response_headers
from runtime.http.relay_websocket import relay_websocket
from runtime.http.serving import STOPPING
from runtime.metrics import RELAY_UP
from runtime.process.tasks import cancel_and_wait
from schemas.errors import ErrorCode

logger = logging.getLogger("foldline.http")

_MOST: Final = 200  # requests under way: a live stream is one for as long as somebody looks
_CONNECT_S: Final = 2.0  # also how long a request waits for one of those places
_SILENCE_S: Final = 60.0  # a live stream of ours says something every 15 s
# Below the 30 s after which our servers close idle connections: none is closed while a request is written.
_IDLE_S: Final = 20.0
_SCRAPE_S: Final = 2.0
_MOST_METRICS: Final = 8 << 20  # bytes
_BODIES: Final = (b"content-length", b"transfer-encoding")
_EVENTS: Final = b"text/event-stream"


class ClientGone(Exception):
    """The client left before its request was complete."""


class Relay:
    """Passes HTTP requests and WebSockets on to `url` as they come, without buffering whole bodies.

    An upstream that is away is a 503 in `envelope`, which calls it by `name`. A client that goes away ends
    its request there as well.
    """

    def __init__(self, name: str, url: str, envelope: Envelope) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None or parts.path.strip("/"):
            raise ValueError(f"{url!r} is not like http://127.0.0.1:8001")
        self.name = name
        self.url = url.rstrip("/")
        self.envelope = envelope
        self._transport = httpx.AsyncHTTPTransport(
            verify=False,
            limits=httpx.Limits(max_connections=_MOST, keepalive_expiry=_IDLE_S),
        )

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Close idle connections at the end."""
        async with self._transport:
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await relay_websocket(self.url, scope, receive, send, away=self._refusal)
            return
        body = _Body(receive, expected=any(name in _BODIES for name, _ in scope["headers"]))
        passing = asyncio.create_task(self._pass_on(scope, body, receive, send))
        leaving = asyncio.create_task(body.client_leaves())
        try:
            await asyncio.wait({passing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if passing.done():
                await passing
        finally:
            await cancel_and_wait(passing, leaving)

    async def scrape(self) -> bytes:
        """Return the metrics of the other process, for `join_metrics`; none while it is away."""
        text = bytearray()
        try:
            async with asyncio.timeout(_SCRAPE_S):
                request = httpx.Request("GET", f"{self.url}/metrics")
                async with aclosing(await self._transport.handle_async_request(request)) as answered:
                    async for part in cast(httpx.AsyncByteStream, answered.stream):
                        text += part
                        if len(text) > _MOST_METRICS:
                            raise httpx.ReadError(f"more than {_MOST_METRICS} bytes of metrics")
        except (httpx.TransportError, OSError) as exc:
            logger.warning("metrics of %s: %s", self.url, str(exc) or type(exc).__name__)
            text.clear()
        RELAY_UP.labels(self.name).set(bool(text))
        return bytes(text)

    async def _pass_on(self, scope: Scope, body: "_Body", receive: Receive, send: Send) -> None:
        try:
            answered = await self._transport.handle_async_request(self._request(scope, body))
        except ClientGone:
            return
        except (httpx.TransportError, OSError) as exc:
            await self._refusal(exc)(scope, receive, send)
            return
        async with aclosing(answered):
            await _send_back(answered, scope, send)

    def _refusal(self, exc: Exception) -> Response:
        """Return the answer to a request that could not be passed on."""
        logger.warning("relay to %s: %s", self.url, str(exc) or type(exc).__name__)
        if isinstance(exc, InvalidURI):
            return answer(self.envelope, HttpProblem(ErrorCode.INVALID_HEADER, "Host: is no host name"))
        why = "does not answer"
        if isinstance(exc, httpx.PoolTimeout):
            why = f"is busy: {_MOST} requests are under way"
        if isinstance(exc, httpx.ReadTimeout):
            why = f"did not answer within {_SILENCE_S:g} s"
        return answer(self.envelope, unavailable(f"{self.name} {why}; try again"))

    def _request(self, scope: Scope, body: "_Body") -> httpx.Request:
        headers = request_headers(scope)
        if any(name == b"transfer-encoding" for name, _ in scope["headers"]):
            headers.append((b"transfer-encoding", b"chunked"))
        query = scope["query_string"]
        timeout = httpx.Timeout(_SILENCE_S, connect=_CONNECT_S, pool=_CONNECT_S)
        return httpx.Request(
            scope["method"],
            self.url,
            headers=headers,
            stream=body,
            extensions={
                # As it was asked for, byte for byte: httpx would write some characters in another way.
                "target": scope["raw_path"] + (b"?" + query if query else b""),
                "timeout": timeout.as_dict(),
            },
        )


class _Body(httpx.AsyncByteStream):
    """The body of a request, read from the client as it is sent on."""

    def __init__(self, receive: Receive, *, expected: bool) -> None:
        self._receive = receive
        self._read = asyncio.Event()  # to its end, or as far as the other side wanted it
        if not expected:
            self._read.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = not self._read.is_set()
        try:
            while more:
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                more = message.get("more_body", False)
                if part := message.get("body", b""):
                    yield part
        finally:
            self._read.set()

    async def client_leaves(self) -> None:
        """Return when the client has left; as long as its body is read, that is seen there."""
        await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def _send_back(answered: httpx.Response, scope: Scope, send: Send) -> None:
    """Send an answer back as it comes. One that breaks off is broken off for the client, too."""
    headers = response_headers(answered.headers.raw)
    await send({"type": "http.response.start", "status": answered.status_code, "headers": headers})
    stopping: asyncio.Event | None = scope.get(STOPPING)
    is_endless = dict(headers).get(b"content-type", b"").startswith(_EVENTS)
    parts = aiter(cast(httpx.AsyncByteStream, answered.stream))
    if stopping is not None and is_endless:
        parts = _until(stopping, parts)
    try:
        async for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
    except httpx.TransportError as exc:
        logger.warning("relay: an answer broke off: %s", str(exc) or type(exc).__name__)
        return
    await send({"type": "http.response.body"})


async def _until(stopping: asyncio.Event, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass parts on until the process is asked to stop."""
    stopped: asyncio.Task[Any] = asyncio.create_task(stopping.wait())
    tasks = {stopped}
    try:
        while not stopped.done():
            part = asyncio.ensure_future(anext(parts))
            tasks = {stopped, part}
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if part.done():
                try:
                    yield part.result()
                except StopAsyncIteration:
                    return
    finally:
        await cancel_and_wait(*tasks)
