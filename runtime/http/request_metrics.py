"""Metrics of HTTP requests: how many by route and status, and how long until the answer began."""

import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.metrics import HTTP_REQUESTS, HTTP_SECONDS

_UNKNOWN: Final = "none"  # clients choose the path of a 404: it must not become a label


class RequestMetrics:
    """Middleware that counts and times requests. An answer counts when it begins: a stream may never end."""

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
