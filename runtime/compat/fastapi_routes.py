"""Routes that FastAPI describes, served without the parts of FastAPI that they do not use.

For a small request FastAPI's own way costs more of the processor than the answer itself: it tries route after
route, opens stacks for files and dependencies, and wraps every message to see whether an answer began.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send


class DirectRoute(APIRoute):
    """A route to `async def endpoint(<path parameters>, request) -> Response`, which `add_routes` serves."""


class _Direct:
    """Middleware that answers requests to direct routes and passes all others on to the application.

    What an endpoint raises goes to the application's exception `handlers`, as it does for any other route.
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
        """Return an exception's handler, but not that of `Exception`: the server answers and logs those."""
        kinds = (kind for kind in type(exc).__mro__ if kind is not Exception)
        return next((self._handlers[kind] for kind in kinds if kind in self._handlers), None)


def add_routes(app: FastAPI, *routers: APIRouter) -> None:
    """Serve the routes of `routers`, each with its router's own prefix and tags.

    Routes are tried in this order, so that those which are called most should come first; those of the
    documentation come after them.
    """
    routes = [route for router in routers for route in router.routes]
    app.router.routes[:0] = routes
    direct = [route for route in routes if isinstance(route, DirectRoute)]
    # Behind all other middleware, which counts and traces these requests like all others.
    app.user_middleware.append(Middleware(_Direct, direct, app.exception_handlers))
