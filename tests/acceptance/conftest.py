"""A running stack, clients for it, and ids nobody else uses.

Files named `test_own_*` need what only a stack of our own has, its settings or its database: they are not
collected when another one is given.
"""

import uuid
from collections.abc import AsyncIterator, Generator, Iterator

import httpx
import nats
import pytest
from nats.aio.client import Client

from tests.acceptance.sessions_api import SessionsApi
from tests.acceptance.stack import Stack, is_given, running_stack
from tests.support.http import sync_http_client
from tests.support.line import Line

collect_ignore_glob = ["test_own_*.py"] if is_given() else []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the stack wrote, when a test failed."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        report.sections += [(f"end of {name}", text) for name, text in stack.logs()]
    return report


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    with running_stack() as running:
        yield running


@pytest.fixture(scope="package")
def http(stack: Stack) -> Iterator[httpx.Client]:
    # Longer than the default: a write that is not readable yet on a busy machine is no failure.
    with sync_http_client(stack.api, timeout=60, headers={"Foldline-Wait": "20000"}) as client:
        yield client


@pytest.fixture
async def bus(stack: Stack) -> AsyncIterator[Client]:
    client = await nats.connect(stack.nats)
    yield client
    await client.close()


@pytest.fixture
def line(bus: Client) -> Line:
    return Line(bus)


@pytest.fixture
def unique() -> str:
    """An id no other test has, on a stack that may be in use."""
    return f"t-{uuid.uuid4()}"


@pytest.fixture(scope="package")
def api(http: httpx.Client) -> SessionsApi:
    """The documented calls, each checked."""
    return SessionsApi(http)


@pytest.fixture
def session(api: SessionsApi) -> str:
    """A new session's id."""
    return api.create()
