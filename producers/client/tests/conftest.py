"""Real servers for the client's tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from client_http_server import HttpServer
from client_ingest_server import IngestServer
from client_nats_server import NatsServer
from client_waiting import wait_until


@pytest.fixture
def until() -> Callable[..., Any]:
    return wait_until


@pytest.fixture
def bare_nats(tmp_path: Path) -> Iterator[NatsServer]:
    """A server that is not started yet."""
    server = NatsServer(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def nats_server(bare_nats: NatsServer) -> NatsServer:
    bare_nats.start()
    bare_nats.configure()
    return bare_nats


@pytest.fixture
def bare_http() -> Iterator[HttpServer]:
    """A server that is not started yet."""
    server = HttpServer()
    yield server
    server.stop()


@pytest.fixture
def http_server(bare_http: HttpServer) -> HttpServer:
    bare_http.start()
    return bare_http


@pytest.fixture
def bare_ingest() -> Iterator[IngestServer]:
    """A server that is not started yet."""
    server = IngestServer()
    yield server
    server.stop()


@pytest.fixture
def ingest(bare_ingest: IngestServer) -> IngestServer:
    bare_ingest.start()
    return bare_ingest
