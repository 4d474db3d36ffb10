"""Routes that are described like any of FastAPI's, and served without what they do not use.

Of a small request FastAPI's own way takes more of the processor than answering it: it works out what the
endpoint depends on, opens stacks for that, and looks for the route twice in each included router. Endpoints
here take the parameters of the path and the request itself, and answer a response.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send


class DirectRoute(APIRoute):
    """A route to `async def endpoint(<path parameters>, request) -> Response`; errors go to the handlers."""

    def __init__(self, path: str, endpoint: Callable[..., Awaitable[Response]], **described: Any) -> None:
        super().__init__(path, endpoint, **described)

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            response = await endpoint(**scope["path_params"], request=Request(scope, receive, send))
            await response(scope, receive, send)

        self.app = serve


def add_routes(app: FastAPI, *routers: APIRouter) -> None:
    """Serve the routes of `routers`, in this order, each with its router's own prefix and tags.

    They are tried one after the other: before those of the documentation, and what is called most first.
    """
    app.router.routes[:0] = [route for router in routers for route in router.routes]
