"""Direct routes: described like FastAPI's own, served in front of its router, behind all middleware."""

import re
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.compat.fastapi_routes import DirectRoute, add_routes


class TeapotError(Exception):
    """The application has a handler for this one."""


class SeenRoutes:
    """Middleware that notes the path template of the route that answered."""

    def __init__(self, app: ASGIApp, seen: list[Any]) -> None:
        self._app, self._seen = app, seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
        self._seen.append(getattr(scope.get("route"), "path", None))


@pytest.fixture
def seen() -> list[Any]:
    return []


@pytest.fixture
def app(seen: list[Any]) -> FastAPI:
    direct = APIRouter(prefix="/direct", tags=["direct"], route_class=DirectRoute)

    @direct.get("/{number:int}")
    async def read(number: int, request: Request) -> Response:
        return Response(f"{number + 1} {request.query_params.get('q')} {request.path_params}")

    @direct.post("/{number:int}")
    async def write(number: int, request: Request) -> Response:
        return Response(await request.body(), 201)

    @direct.get("/fails/{how}")
    async def fail(how: str, request: Request) -> Response:
        raise TeapotError if how == "handled" else RuntimeError(how)

    usual = APIRouter(prefix="/usual")

    @usual.get("/{number}")
    async def read_usually(number: int) -> dict[str, int]:
        return {"number": number}

    async def on_teapot(_: Request, __: Exception) -> Response:
        return Response("short and stout", 418)

    async def on_bug(_: Request, __: Exception) -> Response:
        return Response("a bug", 500)

    app = FastAPI()
    app.add_exception_handler(TeapotError, on_teapot)
    app.add_exception_handler(Exception, on_bug)
    app.add_middleware(SeenRoutes, seen=seen)
    add_routes(app, direct, usual)
    return app


@pytest.fixture
def client(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://here")


async def test_path_and_query_and_body_reach_the_endpoint(client: httpx.AsyncClient) -> None:
    assert (await client.get("/direct/6?q=a")).text == "7 a {'number': 6}"
    written = await client.post("/direct/6", content=b"bytes")
    assert (written.status_code, written.content) == (201, b"bytes")


async def test_other_paths_and_methods_are_the_applications(client: httpx.AsyncClient) -> None:
    assert (await client.get("/usual/6")).json() == {"number": 6}
    assert (await client.get("/direct/six")).status_code == 404
    assert (await client.delete("/direct/6")).status_code == 405
    assert (await client.get("/openapi.json")).status_code == 200


async def test_what_an_endpoint_raises_goes_to_the_applications_handlers(client: httpx.AsyncClient) -> None:
    handled = await client.get("/direct/fails/handled")
    assert (handled.status_code, handled.text) == (418, "short and stout")
    bug = await client.get("/direct/fails/otherwise")
    assert (bug.status_code, bug.text) == (500, "a bug")


async def test_a_bug_is_raised_again_for_the_server_to_log(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        with pytest.raises(RuntimeError, match="otherwise"):
            await client.get("/direct/fails/otherwise")


async def test_middleware_sees_the_route_of_either_kind(client: httpx.AsyncClient, seen: list[Any]) -> None:
    for path in ("/direct/6", "/usual/6", "/nothing"):
        await client.get(path)
    assert seen == ["/direct/{number:int}", "/usual/{number}", None]


async def test_direct_routes_are_described(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert set(paths) == {"/direct/{number}", "/direct/fails/{how}", "/usual/{number}"}
    (parameter,) = paths["/direct/{number}"]["get"]["parameters"]
    assert (parameter["name"], parameter["schema"]["type"]) == ("number", "integer")
    assert paths["/direct/{number}"]["get"]["tags"] == ["direct"]


def test_routes_and_applications_have_what_is_taken_from_them(app: FastAPI) -> None:
    async def endpoint(number: int, request: Request) -> Response:
        return Response()

    route = DirectRoute("/a/{number:int}", endpoint, methods=["GET"])
    assert isinstance(route.path_regex, re.Pattern)
    assert route.param_convertors["number"].convert("7") == 7
    assert (route.methods, route.endpoint, route.path) == ({"GET"}, endpoint, "/a/{number:int}")
    assert all(isinstance(middleware, Middleware) for middleware in app.user_middleware)
    assert isinstance(app.router.routes, list)
    first = app.router.routes[0]
    assert isinstance(first, APIRoute)
    assert first.path == "/direct/{number:int}"
    assert TeapotError in app.exception_handlers
