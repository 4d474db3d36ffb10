"""Requests as numbers: how many, to which route, with which answer, and how long they took."""

import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.metrics import HTTP_REQUESTS, HTTP_SECONDS

_UNKNOWN: Final = "none"  # a path is anybody's choice: no label for each


class Measured:
    """Middleware. A stream without end counts when it begins."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def answering(message: Message) -> None:
            if message["type"] == "http.response.start":
                method, endpoint = scope["method"], _endpoint(scope)
                HTTP_REQUESTS.add(method, endpoint, str(message["status"]))
                HTTP_SECONDS.observe(time.perf_counter() - started, method, endpoint)
            await send(message)

        await self._app(scope, receive, answering)


def _endpoint(scope: Scope) -> str:
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else _UNKNOWN
