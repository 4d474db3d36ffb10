"""Routes that are described like any of FastAPI's, and served without what they do not use.

Of a small request FastAPI's own way takes more of the processor than answering it: it tries route after
route, opens stacks for files and dependencies, and wraps every message to see whether an answer began.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send


class DirectRoute(APIRoute):
    """A route to `async def endpoint(<path parameters>, request) -> Response`, for `add_routes`."""


class _Direct:
    """Middleware that answers what is asked of direct routes; everything else is for the application.

    What an endpoint raises goes to the application's `handlers`, as it would otherwise.
    """

    def __init__(
        self, app: ASGIApp, routes: Sequence[DirectRoute], handlers: Mapping[Any, Callable[..., Any]]
    ) -> None:
        self._app = app
        self._handlers = handlers
        self._by_method: dict[str, list[DirectRoute]] = {}
        for route in routes:
            for method in route.methods or ():
                self._by_method.setdefault(method, []).append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for route in self._by_method.get(scope.get("method", ""), ()):
            if found := route.path_regex.match(scope["path"]):
                break
        else:
            await self._app(scope, receive, send)
            return
        convertors = route.param_convertors
        parameters = {name: convertors[name].convert(text) for name, text in found.groupdict().items()}
        scope["route"], scope["path_params"] = route, parameters
        request = Request(scope, receive, send)
        try:
            response = await route.endpoint(**parameters, request=request)
        except Exception as exc:
            if (handler := self._handler(exc)) is None:
                raise
            response = await handler(request, exc)
        await response(scope, receive, send)

    def _handler(self, exc: Exception) -> Callable[..., Any] | None:
        """Not that for any exception: its answer is given by the server, which logs what it was."""
        kinds = (kind for kind in type(exc).__mro__ if kind is not Exception)
        return next((self._handlers[kind] for kind in kinds if kind in self._handlers), None)


def add_routes(app: FastAPI, *routers: APIRouter) -> None:
    """Serve the routes of `routers`, in this order, each with its router's own prefix and tags.

    They are tried one after the other: before those of the documentation, and what is called most first.
    """
    routes = [route for router in routers for route in router.routes]
    app.router.routes[:0] = routes
    direct = [route for route in routes if isinstance(route, DirectRoute)]
    # Behind all other middleware: what that counts and traces are these as well.
    app.user_middleware.append(Middleware(_Direct, direct, app.exception_handlers))
