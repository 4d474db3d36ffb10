"""The two ends of a relay: the process behind it, and the surface in front of it, both served for real."""

import asyncio
import json

from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.http.relay import Relay
from runtime.http.serving import STOPPING


class Upstream:
    """The other process: what it was asked, and answers that wait for the test."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.left = asyncio.Event()
        self.parts: list[bytes] = []
        self.text = b"# TYPE up gauge\nup 1\n"
        self.routes: dict[str, ASGIApp] = {
            "/upload": self.upload,
            "/stream": self.stream,
            "/silent": self.silent,
            "/cut": self.cut,
            "/large": self.large,
            "/metrics": self.metrics,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.websocket(scope, receive, send)
        else:
            await self.routes.get(scope["path"], self.echo)(scope, receive, send)

    async def echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        told = {
            "method": scope["method"],
            "path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
            "body": body.decode("latin-1"),
        }
        headers = [
            (b"content-type", b"application/json"),
            (b"set-cookie", b"a=1"),
            (b"set-cookie", b"b=2"),
            (b"connection", b"x-private"),
            (b"x-private", b"between the two of us"),
            (b"location", b"/elsewhere"),
        ]
        await send({"type": "http.response.start", "status": 307, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})

    async def upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.set()
                return
            self.parts.append(message["body"])
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % sum(map(len, self.parts))})

    async def stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        waiting = asyncio.ensure_future(self.go_on.wait())
        leaving = asyncio.ensure_future(self.gone(receive))
        await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if leaving.done():
            self.left.set()
        leaving.cancel()
        waiting.cancel()
        await send({"type": "http.response.body", "body": b"two"})

    async def gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def silent(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.parts.append(b"asked")
        await self.gone(receive)
        self.left.set()

    async def cut(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"10")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    async def large(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(4000):  # it never yields by itself
            self.parts.append(b"%d" % number)
            await send({"type": "http.response.body", "body": bytes(16_384), "more_body": True})
        await send({"type": "http.response.body"})

    async def metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": self.text})

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if scope["path"] == "/refused":
            headers = [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")]
            await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": b'{"detail":"who are you?"}'})
            return
        subprotocol = scope["subprotocols"][0] if scope["subprotocols"] else None
        await send({"type": "websocket.accept", "subprotocol": subprotocol})
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        about = {"path": scope["path"], "query": scope["query_string"].decode(), "headers": headers}
        await send({"type": "websocket.send", "text": json.dumps(about)})
        while (message := await receive())["type"] == "websocket.receive":
            if message.get("text") == "close":
                await send({"type": "websocket.close", "code": 4001, "reason": "asked to"})
                return
            await send({**message, "type": "websocket.send"})
        self.parts.append(b"%d %b" % (message["code"], (message.get("reason") or "").encode()))
        self.left.set()


class Front:
    """The relay's side: its URL, and the event that asks its process to stop."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.stopping = asyncio.Event()
        self.url = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[STOPPING] = self.stopping
        await self.relay(scope, receive, send)
