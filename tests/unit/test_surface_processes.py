"""Processes serve surfaces as they are declared: on ports of their own, on shared ones, and without HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Response
from pydantic import create_model

from foldline.processes import listeners_of
from foldline.surfaces import Surface
from runtime.http.envelopes import AGENTS, TRACES, Envelope
from runtime.http.listeners import Listener, ServerListener
from runtime.http.prefixes import ByPrefix
from runtime.problems import Problem
from runtime.process.lifecycle import Lifecycle
from runtime.settings.base import ProcessSettings

HERE = "tests.unit.test_surface_processes"
PORTS: dict[str, Any] = {"traces_port": (int, 1), "otlp_port": (int, 2)}


class Toy:
    """A process of toy surfaces."""

    def __init__(self, ports: dict[str, Any] = PORTS) -> None:
        model = create_model("Ports", __base__=ProcessSettings, **ports)
        self.settings: ProcessSettings = model(_env_file=None)
        self.bootstrap = Lifecycle(timeout=1)


def traces(_: Toy) -> list[APIRouter]:
    router = APIRouter()

    @router.get("/v1/rules")
    async def rules() -> Response:
        return Response("rules")

    return [router]


def agents(_: Toy) -> list[APIRouter]:
    router = APIRouter()

    @router.get("/api/v1/tasks")
    async def tasks() -> Response:
        return Response("tasks")

    return [router]


def otlp(_: Toy) -> Callable[[str, int], AbstractAsyncContextManager[Any]]:
    @asynccontextmanager
    async def listening(host: str, port: int) -> AsyncIterator[str]:
        yield f"{host}:{port}"

    return listening


def surface(name: str, envelope: Envelope = TRACES, **more: Any) -> Surface:
    return Surface(
        name=name, process="api", label=name, title=name, about=name, port=0, envelope=envelope, **more
    )


async def test_a_port_is_shared_by_path_and_each_surface_keeps_its_errors() -> None:
    first = surface("traces", routers=f"{HERE}:traces")
    second = surface("agents", AGENTS, routers=f"{HERE}:agents", shares="traces", paths=("/api/v1", "/docs"))
    (listener,) = listeners_of((first, second), Toy())
    assert isinstance(listener, Listener)
    assert (listener.port, listener.setting) == (1, "FOLDLINE_TRACES_PORT")
    assert isinstance(listener.apps, dict)
    transport = httpx.ASGITransport(ByPrefix(listener.apps))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/v1/rules")).text == "rules"
        assert (await client.get("/api/v1/tasks")).text == "tasks"
        assert (await client.get("/v1/nothing")).json().keys() == {"error"}
        assert (await client.get("/api/v1/nothing")).json().keys() == {"detail", "error_code", "timestamp"}


async def test_a_surface_that_is_no_http_listens_by_itself() -> None:
    (listener,) = listeners_of((surface("otlp", server=f"{HERE}:otlp"),), Toy())
    assert isinstance(listener, ServerListener)
    assert (listener.port, listener.setting) == (2, "FOLDLINE_OTLP_PORT")
    async with listener.server("host", 2) as bound:
        assert bound == "host:2"


def test_a_surface_that_shares_has_no_port_of_its_own() -> None:
    assert surface("agents", shares="traces", paths=("/api",)).port_setting == "traces_port"
    with pytest.raises(AttributeError):
        listeners_of((surface("unknown", routers=f"{HERE}:traces"),), Toy())


def test_two_surfaces_on_one_port_are_refused() -> None:
    first = surface("traces", routers=f"{HERE}:traces")
    second = surface("agents", AGENTS, routers=f"{HERE}:agents")
    toy = Toy({"traces_port": (int, 7), "agents_port": (int, 7)})
    with pytest.raises(Problem, match=r"port 7 is wanted for several surfaces.*FOLDLINE_TRACES_PORT, FOLD"):
        listeners_of((first, second), toy)
    toy = Toy({"traces_port": (int, 0), "agents_port": (int, 0)})
    assert len(listeners_of((first, second), toy)) == 2
